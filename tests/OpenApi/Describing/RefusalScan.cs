using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Townhall.ServiceDefaults.Problems;

namespace Townhall.OpenApi.Describing;

/// <summary>
/// Which refusals a handler can give, read from its compiled code and from everything of ours that it calls: a new refusal is
/// described without anybody remembering to. What is only decided at run time (an interface, the database) is not seen here;
/// the tests' check of every answer finds what is missing.
/// </summary>
internal sealed partial class RefusalScan
{
    private const BindingFlags Anything = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<short, OpCode> Codes = typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static)
        .Select(static field => (OpCode)field.GetValue(null)!).ToDictionary(static code => code.Value);

    private readonly Dictionary<MethodBase, IReadOnlyList<MethodBase>> _calls = [];
    private readonly Dictionary<MethodBase, IReadOnlyList<(int Status, string Code)>> _own = [];

    /// <summary>Statuses and codes, sorted.</summary>
    public IReadOnlyCollection<(int Status, string Code)> Of(MethodInfo handler)
    {
        var found = new SortedSet<(int, string)>();
        var seen = new HashSet<MethodBase>();
        var open = new Stack<MethodBase>([handler]);
        while (open.TryPop(out var method))
        {
            if (!seen.Add(method))
            {
                continue;
            }

            Read(method);
            found.UnionWith(_own[method]);
            foreach (var called in _calls[method])
            {
                open.Push(called);
            }
        }

        return found;
    }

    /// <summary>Every refusal that a type names.</summary>
    public IEnumerable<(int Status, string Code)> In(Type type) => type.GetMethods(Anything).SelectMany(Of).Concat(
        type.GetFields(Anything).Where(static field => field.IsStatic && field.FieldType == typeof(Refusal))
            .Select(static field => (Refusal)field.GetValue(null)!).Select(static refusal => (refusal.Status, refusal.Code)));

    private void Read(MethodBase method)
    {
        if (_own.ContainsKey(method))
        {
            return;
        }

        var calls = new List<MethodBase>();
        var own = new List<(int, string)>();
        if (method.GetCustomAttribute<StateMachineAttribute>()?.StateMachineType is { } machine)
        {
            calls.AddRange(machine.GetMethods(Anything).Where(static one => one.Name == "MoveNext"));
        }

        if (method.GetMethodBody()?.GetILAsByteArray() is { } body)
        {
            Read(method, body, calls, own);
        }

        (_calls[method], _own[method]) = (calls, own);
    }

    private static void Read(MethodBase method, byte[] body, List<MethodBase> calls, List<(int, string)> own)
    {
        var (types, generics) = (method.DeclaringType?.GetGenericArguments(), method.IsGenericMethod ? method.GetGenericArguments() : null);
        var status = 0;
        for (var at = 0; at < body.Length;)
        {
            short value = body[at++];
            if (value == 0xFE)
            {
                value = (short)(0xFE00 | body[at++]);
            }

            var code = Codes[value];
            var operand = at;
            at += Size(code, body, at);
            switch (code.OperandType)
            {
                case OperandType.InlineI when BitConverter.ToInt32(body, operand) is >= 400 and < 600 and var number:
                    status = number;
                    break;
                case OperandType.InlineString:
                    var text = method.Module.ResolveString(BitConverter.ToInt32(body, operand));
                    if (status > 0 && Word().IsMatch(text))
                    {
                        own.Add((status, text));
                    }

                    break;
                case OperandType.InlineField when code == OpCodes.Ldsfld:
                    var field = method.Module.ResolveField(BitConverter.ToInt32(body, operand), types, generics);
                    if (field?.FieldType == typeof(Refusal) && field.GetValue(null) is Refusal refusal)
                    {
                        own.Add((refusal.Status, refusal.Code));
                    }

                    break;
                case OperandType.InlineMethod:
                    var called = method.Module.ResolveMethod(BitConverter.ToInt32(body, operand), types, generics);
                    if (called?.DeclaringType == typeof(OverloadedException))
                    {
                        own.Add((CommonRefusals.Overloaded.Status, CommonRefusals.Overloaded.Code));
                    }
                    else if (called is not null && Ours(called))
                    {
                        calls.Add(called);
                    }

                    // What stood before belongs to that refusal, not to the next one.
                    status = called?.DeclaringType == typeof(Refusal) && called.IsConstructor ? 0 : status;
                    break;
            }
        }
    }

    private static bool Ours(MethodBase method) =>
        method.DeclaringType is { Namespace: { } space } type && space.StartsWith("Townhall", StringComparison.Ordinal)
        && type != typeof(Refusal) && !space.StartsWith("Townhall.Contracts", StringComparison.Ordinal)
        && !(method.IsAbstract || type.IsInterface);

    private static int Size(OpCode code, byte[] body, int at) => code.OperandType switch
    {
        OperandType.InlineNone => 0,
        OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
        OperandType.InlineVar => 2,
        OperandType.InlineI8 or OperandType.InlineR => 8,
        OperandType.InlineSwitch => 4 + (4 * BitConverter.ToInt32(body, at)),
        _ => 4,
    };

    [GeneratedRegex("^[a-z]+(_[a-z]+)+$")]
    private static partial Regex Word();
}
