using System.Net;
using Townhall.Client.Calls;

namespace Townhall.Client.Tests.Calls;

public sealed class RetryRulesTests
{
    private static readonly TownClientOptions Options = new(new Uri("http://127.0.0.1"));
    private static readonly TimeSpan Plenty = TimeSpan.FromSeconds(15);

    public static TheoryData<string, int, bool, bool, bool> Rules() => new()
    {
        // code, status, then: tried again when harmless, keyed, doubling
        { "x", 400, false, false, false },
        { "x", 404, false, false, false },
        { "x", 409, false, false, false },
        { "x", 422, false, false, false },
        { "x", 500, false, false, false },
        { "database_unavailable", 503, true, true, false },     // it may have broken during the commit
        { "x", 502, true, true, false },
        { "x", 504, true, true, false },
        { "overloaded", 503, true, true, true },                // not begun
        { "stopping", 503, true, true, true },
        { "x", 429, true, true, true },                         // not begun
    };

    [Theory]
    [MemberData(nameof(Rules))]
    public void Only_what_cannot_happen_twice_is_tried_again(string code, int status, bool harmless, bool keyed, bool doubles)
    {
        using var answer = new HttpResponseMessage((HttpStatusCode)status);
        var miss = Refusals.Read(answer, $$"""{"code":"{{code}}"}""", DateTimeOffset.UnixEpoch);
        Assert.Equal(
            (harmless, keyed, doubles),
            (Tries(Repeat.Harmless), Tries(Repeat.Keyed), Tries(Repeat.Doubles)));
        bool Tries(Repeat repeat) => Retries.Pause(repeat, miss, 1, Plenty, Options, 0.5) is not null;
    }

    [Fact]
    public void A_connection_that_was_never_made_is_tried_again_whatever_it_carries()
    {
        var miss = new Miss(new TownUnreachableException("nobody", mayHaveChanged: false, null), Begun: false);
        Assert.NotNull(Retries.Pause(Repeat.Doubles, miss, 1, Plenty, Options, 0.5));
        Assert.Null(Retries.Pause(Repeat.Harmless, miss, 1, Plenty, Options with { RetriesRefusedConnections = false }, 0.5));
    }

    [Fact]
    public void A_connection_that_broke_is_not_when_the_thing_may_have_been_done()
    {
        var miss = new Miss(new TownUnreachableException("reset", mayHaveChanged: true, null), Begun: true);
        Assert.Null(Retries.Pause(Repeat.Doubles, miss, 1, Plenty, Options, 0.5));
        Assert.NotNull(Retries.Pause(Repeat.Keyed, miss, 1, Plenty, Options, 0.5));
    }

    [Fact]
    public void Pauses_are_spread_over_a_range_that_doubles_up_to_five_seconds()
    {
        var miss = new Miss(new TownUnreachableException("reset", true, null), Begun: true);
        var options = Options with { RetriesMost = 10 };
        double[] most = [0.2, 0.4, 0.8, 1.6, 3.2, 5, 5];
        for (var tries = 1; tries <= most.Length; tries++)
        {
            Assert.Equal(TimeSpan.Zero, Retries.Pause(Repeat.Harmless, miss, tries, Plenty, options, 0));
            Assert.Equal(most[tries - 1] / 2, Retries.Pause(Repeat.Harmless, miss, tries, Plenty, options, 0.5)!.Value.TotalSeconds, precision: 6);
        }

        Assert.Null(Retries.Pause(Repeat.Harmless, miss, 11, Plenty, options, 0));
    }

    [Fact]
    public void Retry_after_is_the_least_and_what_the_deadline_does_not_hold_is_not_waited_for()
    {
        var miss = new Miss(
            new TownProblemException(HttpStatusCode.TooManyRequests, "rate_limited", "", null, null), false, HttpStatusCode.TooManyRequests,
            TimeSpan.FromSeconds(3));
        Assert.Equal(TimeSpan.FromSeconds(3), Retries.Pause(Repeat.Harmless, miss, 1, Plenty, Options, 0));
        Assert.Equal(TimeSpan.FromSeconds(3.1), Retries.Pause(Repeat.Harmless, miss, 1, Plenty, Options, 0.5));
        Assert.Null(Retries.Pause(Repeat.Harmless, miss, 1, TimeSpan.FromSeconds(2), Options, 0));
    }

    [Theory]
    [InlineData("7", 7)]
    [InlineData("Thu, 01 Jan 1970 00:00:09 GMT", 9)]
    [InlineData("Wed, 31 Dec 1969 23:59:00 GMT", 0)]
    public void Retry_after_is_read_in_both_its_forms(string header, double seconds)
    {
        using var answer = new HttpResponseMessage(HttpStatusCode.ServiceUnavailable);
        answer.Headers.TryAddWithoutValidation("Retry-After", header);
        Assert.Equal(TimeSpan.FromSeconds(seconds), Refusals.Read(answer, "", DateTimeOffset.UnixEpoch).RetryAfter);
    }
}
