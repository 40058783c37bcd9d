import LinuxSockets
import PacketFormats

/// What is around the process: its rights at the start and the settings of the system.
struct Surroundings {
    private let privileges: Privileges
    private let program: String
    private let groups: [UInt32]
    private let pingGroups = PingGroupRange.current()
    private let programCapabilities = SystemFacts.programCapabilities
    private let isOnNosuid = SystemFacts.programIsOnNosuid ?? false

    init(_ privileges: Privileges, program: String) {
        self.privileges = privileges
        self.program = program
        let own = privileges.effectiveGroupID
        groups = [own] + ((try? SystemFacts.supplementaryGroups()) ?? []).filter { $0 != own }
    }

    // MARK: Remedies

    /// What would lift a refusal; nil where nothing within this system would.
    func remedy(for rung: Rung, _ failure: Errno?) -> String? {
        switch (rung, failure) {
        case (_, .addressFamilyNotSupported): return "a kernel with this version of IP (ipv6.disable=0)"
        case (.raw, .notPermitted): return rawRemedy
        case (.ping, .permissionDenied): return TransportSelection.pingRemedy
        case (.ping, .protocolNotSupported): return "a kernel with ICMP datagram sockets"
        default: return nil
        }
    }

    /// What may let loopback be sent to.
    func loopbackRemedy(_ version: IPVersion) -> String {
        let isOff = version == .v6 && SystemFacts.setting("net.ipv6.conf.lo.disable_ipv6") == [1]
        return isOff ? "sudo sysctl net.ipv6.conf.lo.disable_ipv6=0" : "sudo ip link set lo up"
    }

    /// What may let loopback answer.
    func silenceRemedy(_ version: IPVersion) -> String {
        // What is sent to a loopback that was switched off again gets lost without an error.
        let loopback = try? Interface.all().first { $0.isLoopback }
        if let loopback, !loopback.isUp { return loopbackRemedy(version) }
        let name = version == .v4 ? "net.ipv4.icmp_echo_ignore_all" : "net.ipv6.icmp.echo_ignore_all"
        return SystemFacts.setting(name) == [1]
            ? "sudo sysctl \(name)=0, without which this host answers nobody; others may well answer it"
            : "look for a packet filter on lo"
    }

    private var rawRemedy: String {
        if privileges.capabilities.permitted.contains(.netRaw) {
            return "CAP_NET_RAW is here but not over this network, which another user namespace owns: "
                + "run it outside of the container"
        }
        if !privileges.bounding.contains(.netRaw) {
            return "the bounding set lacks CAP_NET_RAW: start the container with --cap-add NET_RAW, "
                + "or let its net.ipv4.ping_group_range hold your group"
        }
        let usual = TransportSelection.rawRemedy(program: program)
        guard let programCapabilities, programCapabilities.contains("cap_net_raw") else {
            return privileges.noNewPrivileges ? "run it as root: under NO_NEW_PRIVS file capabilities are void" : usual
        }
        if privileges.noNewPrivileges {
            return "NO_NEW_PRIVS voids the capability of the program: start it without, "
                + "or with CAP_NET_RAW as ambient capability (systemd: AmbientCapabilities=)"
        }
        if isOnNosuid { return "the program is on a file system mounted nosuid, which voids its capability: move it" }
        return usual
    }

    // MARK: Rights

    var rights: [DiagnosisFinding] {
        [user, netRaw] + capabilities + [noNewPrivileges, file, proc, pingGroupRange]
    }

    private var user: DiagnosisFinding {
        var words = ["uid \(privileges.userID)"]
        if privileges.effectiveUserID != privileges.userID {
            words.append("effective uid \(privileges.effectiveUserID)")
        }
        words.append("groups " + groups.map(String.init).joined(separator: " "))
        return DiagnosisFinding(.rights, "user", words.joined(separator: ", "), value: Int64(privileges.userID))
    }

    private var netRaw: DiagnosisFinding {
        let sets = [
            ("permitted", privileges.capabilities.permitted), ("effective", privileges.capabilities.effective),
            ("in the bounding set", privileges.bounding),
        ]
        let words = sets.map { name, set in (set.contains(.netRaw) ? "" : "not ") + name }
        return DiagnosisFinding(.rights, "cap_net_raw", words.joined(separator: ", "))
    }

    private var capabilities: [DiagnosisFinding] {
        [
            ("permitted", privileges.capabilities.permitted), ("effective", privileges.capabilities.effective),
            ("bounding", privileges.bounding),
        ].map { name, set in DiagnosisFinding(.rights, name, set.shortDescription) }
    }

    private var noNewPrivileges: DiagnosisFinding {
        DiagnosisFinding(
            .rights, "no_new_privs",
            privileges.noNewPrivileges ? "on: file capabilities and set-user-ID are void" : "off",
            value: privileges.noNewPrivileges ? 1 : 0)
    }

    private var file: DiagnosisFinding {
        guard let programCapabilities else {
            return DiagnosisFinding(.rights, "program", "its capabilities cannot be read", .unknown)
        }
        let place = isOnNosuid ? ", on a file system mounted nosuid" : ""
        let what = programCapabilities.isEmpty ? "no file capabilities" : "file capabilities \(programCapabilities)"
        return DiagnosisFinding(.rights, "program", what + place)
    }

    private var proc: DiagnosisFinding {
        SystemFacts.hasProc
            ? DiagnosisFinding(.rights, "/proc", "readable") : DiagnosisFinding(.rights, "/proc", "hidden", .unknown)
    }

    private var pingGroupRange: DiagnosisFinding {
        let name = "net.ipv4.ping_group_range"
        guard let range = pingGroups else { return DiagnosisFinding(.rights, name, "hidden", .unknown) }
        let text = "\(range.low) \(range.high)"
        if range.isShut { return DiagnosisFinding(.rights, name, "\(text): shut for everybody") }
        if let group = groups.first(where: range.contains) {
            return DiagnosisFinding(.rights, name, "\(text): holds your group \(group)")
        }
        return DiagnosisFinding(.rights, name, "\(text): holds none of your groups")
    }

    // MARK: System

    var system: [DiagnosisFinding] {
        [
            DiagnosisFinding(.system, "kernel", "Linux \(SystemFacts.kernelRelease)"), clock, ipv6,
            setting("net.ipv4.icmp_ratelimit") {
                $0 == 0 ? "no limit" : "\($0) ms between two ICMP errors to one host"
            },
            setting("net.ipv6.icmp.ratelimit") {
                $0 == 0 ? "no limit" : "\($0) ms between two ICMPv6 errors to one host"
            },
            setting("net.ipv4.icmp_msgs_per_sec") { "\($0) ICMP errors a second in all" },
            setting("net.core.rmem_max") { "\($0) bytes of answers may wait" },
        ]
    }

    private var clock: DiagnosisFinding {
        guard let source = SystemFacts.clockSource else {
            return DiagnosisFinding(.system, "clock source", "hidden", .unknown)
        }
        let isSlow = ["hpet", "acpi_pm", "jiffies", "refined-jiffies"].contains(source)
        return DiagnosisFinding(
            .system, "clock source", isSlow ? "\(source): slow or coarse, times are less exact" : source)
    }

    private var ipv6: DiagnosisFinding {
        if SystemFacts.setting("net.ipv6.conf.all.disable_ipv6") == [1] {
            return DiagnosisFinding(.system, "IPv6", "switched off (net.ipv6.conf.all.disable_ipv6)")
        }
        guard let interfaces = try? Interface.all() else {
            return DiagnosisFinding(.system, "IPv6", "hidden", .unknown)
        }
        var found: [String] = []
        for interface in interfaces {
            for address in interface.addresses.map(\.address) where address.version == .v6 && !address.isLoopback {
                found.append("\(address.withoutZone) on \(interface.name)")
            }
        }
        guard found.isEmpty else { return DiagnosisFinding(.system, "IPv6", found.joined(separator: ", ")) }
        let hasLoopback = interfaces.contains { $0.addresses.contains { $0.address == .v6(.loopback) } }
        return DiagnosisFinding(.system, "IPv6", hasLoopback ? "loopback only" : "no address")
    }

    private func setting(_ name: String, _ meaning: (Int64) -> String) -> DiagnosisFinding {
        guard let value = SystemFacts.setting(name)?.first else {
            return DiagnosisFinding(.system, name, "hidden or not in this kernel", .unknown)
        }
        return DiagnosisFinding(.system, name, meaning(value), value: value)
    }
}
