import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

/// Whom a run of `EchoSweep` asks, and as whom they are told of.
struct EchoTargets {
    let addresses: TargetList
    let reported: ReportTargets
    /// Whether there may be many, of which summaries have a line each.
    let isMany: Bool
    /// Names that are asked for again while the run goes on.
    private(set) var watched: [AddressWatch.Name] = []
    /// Targets that are one name over IPv4, each followed by the same name over IPv6.
    private(set) var pairs: [Int] = []
    /// Which of them were given by a name: of few one by one, of many by `names`.
    private var named: [Bool] = []
    private var names = TargetNames()

    /// Those hosts that have an address.
    init(_ hosts: [ResolvedHost], _ options: Options) {
        var reported: [ReportTarget] = []
        reported.reserveCapacity(hosts.count)
        for host in hosts {
            guard case .success(let address) = host.address else { continue }
            if !host.isNumeric, options.resolveInterval != nil {
                watched.append(
                    AddressWatch.Name(target: reported.count, text: host.name, family: host.family, address: address))
            }
            named.append(!host.isNumeric)
            reported.append(ReportTarget(name: SafeText(host.name), address: address))
        }
        addresses = TargetList(reported.map(\.address))
        self.reported = ReportTargets(reported)
        isMany = false
        if options.isDual { pairs = hosts.indices.dropLast().filter { hosts[$0].isPair(with: hosts[$0 + 1]) } }
    }

    /// Any number of them.
    init(_ space: TargetSpace, _ names: TargetNames) {
        addresses = TargetList(space)
        reported = ReportTargets(addresses, names: names)
        isMany = true
        self.names = names
    }

    /// Whether the target of this index was given by a name.
    func isNamed(_ target: Int) -> Bool {
        isMany ? names[UInt32(truncatingIfNeeded: target)] != nil : named[target]
    }
}
