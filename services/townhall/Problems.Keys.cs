using Townhall.ServiceDefaults.Problems;

namespace Townhall.Api;

/// <content>Refusals of changes to callers' keys.</content>
internal static partial class Problems
{
    public static Refusal KeyNotFound(string id) => new(404, "key_not_found", $"There is no key {CommonRefusals.Printable(id)}.");

    public static Refusal BoundToAgent(string what) => new(403, "bound_to_agent", $"This credential is bound to an agent: {what}.");

    public static Refusal KeyNameTaken(string name) =>
        new(409, "key_name_taken", $"A living key is called {CommonRefusals.Printable(name)} already; rotate it, or revoke it first.");

    public static Refusal KeyEnded(string id) =>
        new(409, "key_ended", $"Key {CommonRefusals.Printable(id)} is revoked, expired or replaced already; make a new one.");

    public static Refusal TooManyKeys(int most) =>
        new(409, "too_many_keys", $"This town has {most} living keys, which is the most; revoke some first.");
}
