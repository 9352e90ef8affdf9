using Townhall.OpenApi;

// Writes docs/openapi anew from the built services. Changes nothing else and needs no server.
var files = ApiFiles.Describe();
foreach (var (path, text) in files)
{
    await File.WriteAllTextAsync(path, text);
    Console.WriteLine($"{path}: {text.Length} characters");
}

return 0;
