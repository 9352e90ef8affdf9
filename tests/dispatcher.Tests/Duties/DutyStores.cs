using Microsoft.Extensions.Logging.Abstractions;
using Townhall.Dispatcher.Duties;
using Townhall.ServiceDefaults.Settings;
using Townhall.Testing;

namespace Townhall.Dispatcher.Tests.Duties;

internal sealed class DutyStores(TestDatabase database, TownSettings town)
{
    public ReaperStore Reaper => new(database.App, town, NullLogger<ReaperStore>.Instance);
}
