import LinuxSockets
import ProbeIO

/// An option that not every rung can do.
struct RungNeed: Sendable {
    let option: String
    /// The rungs that can.
    let rungs: [Rung]
    let isGiven: @Sendable (Options) -> Bool

    /// All of them; what stands in no row works on every rung.
    static let all: [RungNeed] = [
        RungNeed("-e 0", .raw) { $0.identifier == 0 },
        RungNeed("-e", .raw, .ping) { $0.identifier != nil },
    ]

    private init(_ option: String, _ rungs: Rung..., isGiven: @escaping @Sendable (Options) -> Bool) {
        self.option = option
        self.rungs = rungs
        self.isGiven = isGiven
    }
}

/// What refuses options that the sockets at hand can't do, before anything is sent.
enum OptionRefusals {
    /// Throws the first line that applies: the option, what it needs, what is there, and how to get it.
    static func check(
        _ options: Options, rung: Rung, _ refused: [SocketSettings.Refusal]
    ) throws(ToolFailure) {
        for need in RungNeed.all where need.isGiven(options) && !need.rungs.contains(rung) {
            let kinds = need.rungs.map(word).joined(separator: " or ")
            throw ToolFailure(
                "option \(need.option): needs \(kinds) sockets (here: \(word(rung)) sockets; "
                    + "\(remedy(need.rungs, options)))")
        }
        guard let first = refused.first else { return }
        throw ToolFailure("option \(line(first, options))")
    }

    private static func line(_ refusal: SocketSettings.Refusal, _ options: Options) -> String {
        switch refusal.name {
        case .device: "-I: \(refusal.failure) (\(refusal.failure.name))"
        case .mark: "-m: needs CAP_NET_RAW or CAP_NET_ADMIN (\(remedy([.raw], options)))"
        case .flowLabel: "-F: another socket holds this flow label for itself alone (\(refusal.failure.name))"
        case .debugging: "-d: needs CAP_NET_ADMIN (run it as root)"
        case .sendBufferSize: "-S: more than net.core.wmem_max allows"
        }
    }

    /// How to come by one of the rungs.
    static func remedy(_ rungs: [Rung], _ options: Options) -> String {
        if options.wantsUDP { return "leave out --udp" }
        if options.highestRung != .raw { return "leave out --rung" }
        let raw = "run it as root, or once: sudo setcap cap_net_raw+p $(command -v \(Tool.name))"
        return rungs.contains(.ping) ? raw + ", or: sudo sysctl net.ipv4.ping_group_range='0 2147483647'" : raw
    }

    private static func word(_ rung: Rung) -> String {
        switch rung {
        case .raw: "raw"
        case .ping: "ping"
        case .udp: "UDP"
        case .tcp: "TCP"
        }
    }
}
