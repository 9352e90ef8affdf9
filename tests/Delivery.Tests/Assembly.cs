// One town at a time: what is measured here is promised to a town that has the machine to itself.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
