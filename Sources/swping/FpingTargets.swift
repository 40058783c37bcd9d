import Glibc
import LinuxSockets
import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

/// Whom fping asks, and as what they are shown.
struct FpingTargets {
    private(set) var space = TargetSpace()
    /// Of the targets that are not shown by their addresses.
    private(set) var names: [UInt32: SafeText] = [:]
    /// Words without an address.
    private(set) var unknown: UInt64 = 0
    private let options: FpingOptions
    private let usable: [IPVersion]
    /// Those whose names are to be asked for.
    private var nameless: [UInt32] = []
    /// Those whose addresses have a zone.
    private var zoned: [UInt32] = []

    /// - Parameter usable: versions that probes can be sent over.
    init(_ options: FpingOptions, usable: [IPVersion]) {
        self.options = options
        self.usable = usable
    }

    // MARK: Words

    /// The first word of each line of a file; what begins with # is none.
    static func words(of file: borrowing InputFile) throws(Errno) -> [String] {
        var words: [String] = []
        var rest: [UInt8] = []
        while true {
            let bytes = try file.nextBytes(count: 1 << 16)
            if bytes.isEmpty { break }
            let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            for (index, line) in lines.enumerated() {
                if rest.count < longestLine { rest += line }
                guard index < lines.count - 1 else { break }
                if let word = firstWord(rest) { words.append(word) }
                rest.removeAll(keepingCapacity: true)
            }
        }
        if let word = firstWord(rest) { words.append(word) }
        return words
    }

    private static func firstWord(_ line: [UInt8]) -> String? {
        let isSpace = { (byte: UInt8) in byte == UInt8(ascii: " ") || (9...13).contains(byte) }
        let word = line.drop(while: isSpace).prefix { !isSpace($0) && $0 != 0 }
        guard let first = word.first, first != UInt8(ascii: "#") else { return nil }
        return String(decoding: word, as: UTF8.self)
    }

    /// Names and addresses. Those that have no address are told of and counted.
    mutating func append(_ words: [String]) throws(ToolFailure) {
        var rest = words[...]
        while !rest.isEmpty {
            let some = Array(rest.prefix(Self.atOnce))
            rest = rest.dropFirst(Self.atOnce)
            if options.takesAllAddresses { try appendAll(some) } else { try appendFirst(some) }
        }
    }

    private mutating func appendFirst(_ words: [String]) throws(ToolFailure) {
        let hosts: [ResolvedHost]
        do throws(Errno) {
            hosts = try Resolver.resolve(hosts: words, family: options.version, usable: usable)
        } catch {
            throw ToolFailure("cannot ask for names: \(error)", status: 4)
        }
        for host in hosts {
            switch host.address {
            case .success(let address): try append(address, word: host.name, isNumeric: host.isNumeric)
            case .failure(let error): miss(host.name, error)
            }
        }
    }

    private mutating func appendAll(_ words: [String]) throws(ToolFailure) {
        for word in words {
            do throws(ResolveError) {
                let isNumeric = try Resolver.numericAddress(word, family: options.version) != nil
                let addresses = try Resolver.resolve(word, family: options.version)
                for address in addresses where usable.contains(address.version) {
                    do throws(ToolFailure) {
                        try append(address, word: word, isNumeric: isNumeric)
                    } catch {
                        throw ResolveError.unknownHost(name: word, reason: error.line)
                    }
                }
            } catch {
                miss(word, error)
            }
        }
    }

    private mutating func append(_ address: IPAddress, word: String, isNumeric: Bool) throws(ToolFailure) {
        let target = UInt32(truncatingIfNeeded: space.count)
        do throws(TargetSpaceFull) {
            try space.append(address)
        } catch {
            throw ToolFailure("too many targets: \(error)", status: 1)
        }
        if address.zone != 0 { zoned.append(target) }
        if options.forcesNames || options.showsNames && isNumeric {
            nameless.append(target)
        } else if options.showsNames, options.showsAddresses {
            names[target] = SafeText("\(word) (\(Self.text(address)))")
        } else if !options.showsAddresses, word != Self.plainText(address) {
            names[target] = SafeText(word)
        }
    }

    private mutating func miss(_ word: String, _ error: ResolveError) {
        unknown += 1
        guard !options.isQuiet else { return }
        let reason =
            switch error {
            case .unknownHost(_, let reason): SafeText(reason).description
            case .wrongVersion: "Address family for hostname not supported"
            case .missingZone: "a link-local address needs its interface, as in \(SafeText(word))%eth0"
            case .prefix, .notAName, .unknownZone: "Name or service not known"
            }
        let line = "\(SafeText(word)): \(reason)\n"
        if options.isJSON {
            var buffer = ReportBuffer()
            buffer.appendFpingWarning(about: SafeText(word), reason)
            return reportErrors(buffer.bytes)
        }
        reportErrors(Array(line.utf8))
    }

    // MARK: Ranges

    /// What `-g` makes of its operands. Nil where they are not understood, which asks for the usage.
    mutating func generate(_ operands: [String]) throws(ToolFailure) -> Bool {
        switch operands.count {
        case 1:
            let parts = operands[0].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { return false }
            let address = try address(String(parts[0]), behind: ",")
            let longest = address.version == .v4 ? 32 : 128
            let digits = parts[1].prefix { $0.isASCII && $0.isNumber }
            guard let length = Int(digits), (1...longest).contains(length),
                let prefix = IPPrefix(address, length: length)
            else {
                throw ToolFailure(
                    "netmask must be between 1 and \(longest) (is: \(SafeText(String(parts[1]))))", status: 1)
            }
            try append(prefix.hosts)
        case 2:
            let (first, last) = (try address(operands[0], behind: ":"), try address(operands[1], behind: ":"))
            // From the higher to the lower one there is nobody.
            if let range = IPAddressRange(first: first, last: last) { try append(range) }
        default: return false
        }
        return true
    }

    private mutating func append(_ range: IPAddressRange) throws(ToolFailure) {
        let first = UInt32(truncatingIfNeeded: space.count)
        do throws(TargetSpaceFull) {
            try space.append(range)
        } catch {
            throw ToolFailure("-g parameter generates too many addresses", status: 1)
        }
        let last = UInt32(truncatingIfNeeded: space.count)
        if range.first.zone != 0, options.isCounting, range.count <= Self.mostZoned { zoned += first..<last }
        guard options.forcesNames || options.showsNames else { return }
        nameless += first..<last
    }

    /// - Parameter mark: what stands behind fping's name there.
    private func address(_ text: String, behind mark: String) throws(ToolFailure) -> IPAddress {
        guard let address = (try? Resolver.numericAddress(text)) ?? nil else {
            reportErrors(
                Array(
                    "\(options.program)\(mark) can't parse address \(SafeText(text)): Name or service not known\n".utf8)
            )
            throw ToolFailure("", status: 1)
        }
        return address
    }

    // MARK: Names of addresses

    /// Asks for the names that are wanted; a name service that has been silent for a while is waited for no longer.
    mutating func findNames() throws(ToolFailure) {
        guard !nameless.isEmpty else { return }
        var found: [IPAddress: String] = [:]
        do throws(Errno) {
            let resolver = try ReverseResolver()
            var poller = try Poller()
            try poller.add(resolver, token: 0)
            var unasked = nameless[...]
            var asked: Set<IPAddress> = []
            while true {
                while let target = unasked.first {
                    let address = space[target]
                    if !asked.contains(address) {
                        guard resolver.lookUp(address) else { break }
                        asked.insert(address)
                    }
                    unasked.removeFirst()
                }
                if unasked.isEmpty, resolver.pendingCount == 0 {
                    while let answer = resolver.nextAnswer() { found[answer.address] = answer.name }
                    break
                }
                guard try poller.wait(timeoutMilliseconds: Self.patience) > 0 else { break }
                while let answer = resolver.nextAnswer() { found[answer.address] = answer.name }
            }
        } catch {
            throw ToolFailure("cannot ask for names: \(error)", status: 4)
        }
        for target in nameless {
            let text = Self.text(space[target])
            let name = found[space[target]].map { SafeText(name: $0).description }
            if options.showsAddresses {
                names[target] = SafeText("\(name ?? text) (\(text))")
            } else if let name {
                names[target] = SafeText(name)
            }
        }
        nameless = []
    }

    /// All targets as they are shown.
    var reported: ReportTargets {
        var names = names
        // The text of such an address has its zone in it.
        for target in zoned where names[target] == nil { names[target] = SafeText(Self.text(space[target])) }
        return ReportTargets(TargetList(space), otherNames: names)
    }

    /// The names of the interfaces that are zones.
    var zones: [UInt32: SafeText] {
        guard usable.contains(.v6) else { return [:] }
        var zones: [UInt32: SafeText] = [:]
        for interface in (try? Interface.all()) ?? [] { zones[interface.index] = SafeText(name: interface.name) }
        return zones
    }

    private static func text(_ address: IPAddress) -> String {
        switch address {
        case .v4(let address): address.description
        case .v6(let address):
            address.description { zone in
                (try? Interface.name(at: zone)).map { SafeText(name: $0).description } ?? "\(zone)"
            }
        }
    }

    private static func plainText(_ address: IPAddress) -> String {
        address.zone == 0 ? address.description : text(address)
    }

    /// Names that are asked for side by side.
    private static let atOnce = 1_024
    private static let longestLine = 4_096
    /// As many as can be counted.
    private static let mostZoned: UInt64 = 1 << 20
    /// Milliseconds.
    private static let patience: Int32 = 5_000
}
