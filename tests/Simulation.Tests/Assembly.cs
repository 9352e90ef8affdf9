// One simulation at a time: each waits for the thread pool at times, and two of them would wait for each other.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
