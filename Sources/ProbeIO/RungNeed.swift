/// An option that not every rung can do: a row of a tool's table.
public struct RungNeed<Options>: Sendable {
    /// As it is written, such as `-e 0`.
    public let option: String
    /// The rungs that can.
    public let rungs: [Rung]
    public let isGiven: @Sendable (Options) -> Bool

    public init(_ option: String, _ rungs: Rung..., isGiven: @escaping @Sendable (Options) -> Bool) {
        self.option = option
        self.rungs = rungs
        self.isGiven = isGiven
    }
}

extension RungNeed {
    /// Throws the first line of a table that applies: the option, what it needs, what is there, and how to get it. For
    /// the time when the rung is known and nothing is sent.
    ///
    /// - Parameter remedy: how to come by one of the rungs.
    public static func check(
        _ needs: [RungNeed], _ options: Options, on rung: Rung, remedy: ([Rung]) -> String
    ) throws(ToolFailure) {
        for need in needs where need.isGiven(options) && !need.rungs.contains(rung) {
            let kinds = need.rungs.map(\.word).joined(separator: " or ")
            throw ToolFailure(
                "option \(need.option): needs \(kinds) sockets (here: \(rung.word) sockets; \(remedy(need.rungs)))")
        }
    }
}

extension Rung {
    /// In front of "sockets".
    public var word: String {
        switch self {
        case .raw: "raw"
        case .ping: "ping"
        case .udp: "UDP"
        case .tcp: "TCP"
        }
    }

    /// How to come by one of the rungs, for somebody whom the kernel refused them.
    public static func remedy(for rungs: [Rung], program: String) -> String {
        let raw = TransportSelection.rawRemedy(program: program)
        return rungs.contains(.ping) ? raw + ", or: \(TransportSelection.pingRemedy)" : raw
    }
}
