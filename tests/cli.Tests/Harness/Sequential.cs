// A command tree is made once per process; its arguments and options are values that one run at a time reads.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
