using Townhall.Cli.Invoking;

return await CommandTree.RunAsync(args, World.OfThisProcess(), CancellationToken.None);
