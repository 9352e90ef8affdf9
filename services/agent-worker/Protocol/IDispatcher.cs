using Townhall.Contracts.Workers;

namespace Townhall.Worker.Protocol;

/// <summary>The calls by which a worker gets, keeps and ends leases. Over HTTP in the product; a simulation delays, doubles and loses them.</summary>
internal interface IDispatcher
{
    Task<Answer<RegisterReply>> RegisterAsync(string key, RegisterRequest request, CancellationToken cancellationToken);

    Task<Answer<LeaseReply>> LeaseAsync(string token, LeaseRequest request, CancellationToken cancellationToken);

    Task<Answer<RenewReply>> RenewAsync(string token, RenewRequest request, TimeSpan deadline, CancellationToken cancellationToken);

    Task<Answer<DirectivesReply>> DirectivesAsync(string token, DirectivesRequest request, CancellationToken cancellationToken);

    Task<Answer<SettleReply>> SettleAsync(string token, SettleRequest request, CancellationToken cancellationToken);

    Task<Answer<DrainReply>> DrainAsync(string token, DrainRequest request, CancellationToken cancellationToken);
}
