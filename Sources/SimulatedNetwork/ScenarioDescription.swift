import PacketFormats

extension Scenario: CustomStringConvertible {
    /// The scenario in the text format, one thing per line, every link by itself.
    public var description: String {
        var lines: [[String]] = []
        if source != Source() {
            let only = source.only.map { $0 == .v4 ? ["only4"] : ["only6"] } ?? []
            lines.append(["source"] + Interface(v4: source.v4, v6: source.v6).words + only)
        }
        for router in routers {
            var words = ["router", router.name] + Interface(v4: router.v4, v6: router.v6).words
            words += router.access.words + router.answers.words(defaultHopLimit: 255)
            if let reason = router.refuses { words += ["unreachable", reason.scenarioText] }
            if let bleach = router.bleaches { words += ["bleach", bleach.rawValue] }
            words += router.translation?.words ?? []
            words += router.redirection?.words ?? []
            words += router.rewriting.words
            if router.loops { words.append("loop") }
            words += router.filters.flatMap(\.words) + router.answersFrom.words
            if router.forwardsZero { words.append("zero-ttl") }
            lines.append(words)
        }
        for link in links {
            var words = ["link", link.from, link.to]
            if link.near != Interface() { words += ["near"] + link.near.words }
            if link.far != Interface() { words += ["far"] + link.far.words }
            if let mtu = link.mtu { words += ["mtu", "\(mtu)"] }
            if link.isBlackHole { words.append("blackhole") }
            if link.hidesMTU { words.append("no-mtu") }
            if let mtu = link.claimedMTU { words += ["claim-mtu", "\(mtu)"] }
            lines.append(words + link.impairment.words)
        }
        for balance in balances {
            lines.append(["balance", balance.router] + balance.nextHops + ["by", balance.key.rawValue])
        }
        for flip in flips {
            lines.append(["flip", flip.router, flip.first, flip.second] + flip.schedule.words)
        }
        for tunnel in tunnels {
            let label = tunnel.label == Tunnel([], .explicit).label ? [] : ["label", "\(tunnel.label)"]
            lines.append(["tunnel"] + tunnel.routers + [tunnel.kind.rawValue] + label)
        }
        for path in returns {
            lines.append(["return", path.router, "hops", "\(path.hops)"] + path.impairment.words)
        }
        for target in targets {
            var words = ["target"] + target.prefixes.map(\.targetText) + ["via", target.via]
            words += target.access.words + target.answers.words(defaultHopLimit: 64)
            if let reason = target.refuses { words += ["unreachable", reason.scenarioText] }
            if target.live != .always { words += ["live", target.live.scenarioText] }
            if let dead = target.dead { words += ["dead", dead.scenarioText] }
            lines.append(words)
        }
        return lines.map { $0.joined(separator: " ") + "\n" }.joined()
    }
}

extension Scenario.Interface {
    fileprivate var words: [String] { [v4?.description, v6?.description].compactMap(\.self) }
}

extension Filter {
    fileprivate var words: [String] {
        let ports = ports == 0...65_535 ? [] : [ports.scenarioText]
        let rule = [reason == nil ? "drop" : "reject", transport.rawValue] + ports
        guard let reason, reason != .admin else { return rule }
        return rule + ["as", reason.scenarioText]
    }
}

extension Translation {
    fileprivate var words: [String] {
        ["nat"] + Scenario.Interface(v4: v4, v6: v6).words + (portShift == 0 ? [] : ["shift-ports", "\(portShift)"])
            + quotes.words
    }
}

extension Redirection {
    fileprivate var words: [String] { ["dnat"] + Scenario.Interface(v4: v4, v6: v6).words + quotes.words }
}

extension QuoteRestoring {
    fileprivate var words: [String] { self == .whole ? [] : [rawValue] }
}

extension Rewriting {
    fileprivate var words: [String] {
        var words: [String] = []
        if let maximumSegment { words += ["clamp-mss", "\(maximumSegment)"] }
        if !strippedOptions.isEmpty {
            words += ["strip-options", strippedOptions.map(\.rawValue).joined(separator: "/")]
        }
        if sequenceShift != 0 { words += ["shift-sequence", "\(sequenceShift)"] }
        if clearsDontFragment { words.append("clear-df") }
        if let identification { words += ["set-id", "\(identification)"] }
        if let flowLabel { words += ["set-flow-label", "\(flowLabel)"] }
        return words
    }
}

extension AnswerSource {
    fileprivate var words: [String] {
        switch self {
        case .incoming: []
        case .outgoing: ["from", "outgoing"]
        case .own: ["from", "own"]
        case .address(let interface): ["from"] + interface.words
        }
    }
}

extension Scenario.Flip.Schedule {
    fileprivate var words: [String] {
        switch self {
        case .at(let time): ["at", TimeText.text(time)]
        case .every(let time): ["every", TimeText.text(time)]
        }
    }
}

extension Impairment {
    fileprivate var words: [String] {
        let plain = Impairment()
        var words: [String] = []
        if delay != plain.delay { words += ["delay", delay.scenarioText] }
        if loss != .never { words += ["loss", loss.scenarioText] }
        if duplicate != .never { words += ["duplicate", duplicate.scenarioText] }
        if reorder != .never || reorderDelay != plain.reorderDelay {
            words += ["reorder", reorder.scenarioText, "by", TimeText.text(reorderDelay)]
        }
        if corrupt != .never { words += ["corrupt", corrupt.scenarioText] }
        return words
    }
}

extension Answers {
    fileprivate func words(defaultHopLimit: UInt8) -> [String] {
        let plain = Answers(hopLimit: defaultHopLimit)
        var words: [String] = []
        if isSilent { words.append("silent") }
        if let limit { words += ["limit", limit.scenarioText] }
        if slowness != plain.slowness { words += ["slow", slowness.scenarioText] }
        if let quote { words += ["quote", "\(quote)"] }
        if !labels.isEmpty { words += ["mpls", labels.map(String.init).joined(separator: "/")] }
        if showsInterface { words.append("interface-info") }
        if hasLegacyExtensions { words.append("legacy-extensions") }
        if hopLimit != plain.hopLimit { words += ["ttl", "\(hopLimit)"] }
        if copiesHopLimit { words.append("copy-ttl") }
        if !echoes { words.append("no-echo") }
        if let clock { words += clock.words }
        for rule in udp { words += ["udp", rule.ports.scenarioText, rule.service.rawValue] }
        for rule in tcp { words += ["tcp", rule.ports.scenarioText, rule.service.rawValue] }
        for reply in hostile {
            words += ["hostile", reply.kind.word] + (reply.share == .always ? [] : [reply.share.scenarioText])
        }
        return words
    }
}

extension HostClock {
    fileprivate var words: [String] {
        var words = ["clock", (offset < 0 ? "-" : "") + TimeText.text(abs(offset))]
        if skew != 0 {
            let part = skew.magnitude % 1_000
            let decimals = part == 0 ? "" : "." + String(1_000 + part).dropFirst()
            words += ["skew", "\(skew < 0 ? "-" : "")\(skew.magnitude / 1_000)\(decimals)ppm"]
        }
        if tick != HostClock().tick { words += ["tick", TimeText.text(tick)] }
        if form != .standard { words.append(form.rawValue) }
        return words
    }
}

extension ClosedRange where Bound == UInt16 {
    fileprivate var scenarioText: String {
        if self == 0...65_535 { return "*" }
        return lowerBound == upperBound ? "\(lowerBound)" : "\(lowerBound)-\(upperBound)"
    }
}
