import CommandLineOptions
import LinuxSockets
import PacketFormats

/// What `-O` says about the probes of a method, as traceroute's does.
struct MethodOptions: Sendable {
    /// Of a TCP probe; nil for SYN alone.
    var flags: TCPHeader.Flags?
    var permitsSelectiveAcknowledgments = false
    var hasTimestamps = false
    var scalesWindow = false
    /// Take these, and ECN, from the settings of the kernel.
    var followsKernel = false
    /// The same where nothing else is said about flags and header options.
    var followsKernelElse = false
    /// nil for 1,460.
    var maximumSegmentSize: UInt16?
    /// The flags of answers are printed.
    var showsFlags = false
    /// Only these sockets carry ICMP probes.
    var icmpSockets: ICMPSockets?
    /// What was given and is TCP's, for messages.
    var ofTCP: String?

    enum ICMPSockets: String, Sendable {
        case raw
        case dgram
    }

    /// Whether header options are named.
    var hasOwnOptions: Bool { needsOwnSegment || maximumSegmentSize != nil }

    /// Whether the kernel's own SYN can't have them as they were asked for.
    var needsOwnSegment: Bool { permitsSelectiveAcknowledgments || hasTimestamps || scalesWindow }

    /// A header option that stands only in a SYN.
    var needsSYN: String? {
        if permitsSelectiveAcknowledgments { return "sack" }
        if scalesWindow { return "window_scaling" }
        return maximumSegmentSize != nil ? "mss" : nil
    }

    /// What `-O help` prints.
    static let help = """
        Options of -T (TCP), with commas between them:
          syn ack fin rst psh urg ece cwr  set these flags (syn)
          flags=NUMBER                     set exactly these flags
          ecn                              set syn, ece and cwr (RFC 3168)
          sack timestamps window_scaling   have these options in the header
          mss=BYTES                        maximum segment size in a SYN (1460)
          sysctl                           have the options and ECN that net.ipv4.tcp_* say
          info                             print the flags of the target's answers
        Options of -I (ICMP):
          raw                              from raw sockets only
          dgram                            from ICMP datagram sockets only
        Options of -P (other protocols):
          protocol=NUMBER                  as -P NUMBER

        """

    /// The flags and header options of TCP probes.
    var segment: (flags: TCPHeader.Flags, options: TCPOptions) {
        var own = self
        if followsKernel || (followsKernelElse && flags == nil && !hasOwnOptions) {
            own.permitsSelectiveAcknowledgments = Self.kernelSays("tcp_sack") > 0
            own.hasTimestamps = Self.kernelSays("tcp_timestamps") > 0
            own.scalesWindow = Self.kernelSays("tcp_window_scaling") > 0
            // 2 answers ECN and does not ask for it (ip-sysctl).
            if Self.kernelSays("tcp_ecn") == 1 { own.flags = [.syn, .ece, .cwr] }
        }
        let flags = own.flags ?? .syn
        return (flags, own.options(isSYN: flags.contains(.syn)))
    }

    /// In the order and with the padding that Linux has (`tcp_options_write` in net/ipv4/tcp_output.c).
    private func options(isSYN: Bool) -> TCPOptions {
        var options: [TCPOption] = []
        if isSYN { options.append(.maximumSegmentSize(maximumSegmentSize ?? Self.usualSegmentSize)) }
        let hasPermission = isSYN && permitsSelectiveAcknowledgments
        if hasPermission {
            options += hasTimestamps ? [] : [.noOperation, .noOperation]
            options.append(.selectiveAcknowledgmentPermitted)
        } else if hasTimestamps {
            options += [.noOperation, .noOperation]
        }
        // Any value will do, and with the same in all probes a router that changes it shows.
        if hasTimestamps { options.append(.timestamps(value: 1, echoReply: 0)) }
        if isSYN, scalesWindow { options += [.noOperation, .windowScale(Self.usualShift)] }
        return TCPOptions(options)
    }

    /// A setting of TCP, 0 where it can't be read.
    private static func kernelSays(_ name: String) -> Int64 {
        SystemFacts.setting("net.ipv4.\(name)")?.first ?? 0
    }

    private static let usualSegmentSize: UInt16 = 1_460
    private static let usualShift: UInt8 = 7
    private static let flagNames: [(word: String, flag: TCPHeader.Flags)] = [
        ("syn", .syn), ("ack", .ack), ("fin", .fin), ("rst", .rst), ("psh", .psh), ("urg", .urg), ("ece", .ece),
        ("cwr", .cwr),
    ]

    /// Takes one option. Returns the number of a protocol that it names.
    mutating func add(_ option: String) throws(OptionError) -> UInt8? {
        let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let value = OptionValue(parts.count > 1 ? parts[1] : nil)
        let isNumber = ["flags", "mss", "protocol"].contains(parts[0])
        guard isNumber == (parts.count > 1) else { throw Self.unknown(option) }
        if let flag = Self.flagNames.first(where: { $0.word == option })?.flag {
            flags = (flags ?? []).union(flag)
            ofTCP = option
            return nil
        }
        switch parts[0] {
        case "flags": flags = TCPHeader.Flags(rawValue: try value.wholeNumber(in: 0...255, hexadecimal: true))
        case "ecn": flags = (flags ?? []).union([.syn, .ece, .cwr])
        case "sack": permitsSelectiveAcknowledgments = true
        case "timestamps": hasTimestamps = true
        case "window_scaling": scalesWindow = true
        case "mss": maximumSegmentSize = try value.wholeNumber(in: 1...UInt16.max)
        case "sysctl": followsKernel = true
        case "info": showsFlags = true
        case "raw", "dgram":
            icmpSockets = ICMPSockets(rawValue: option)
            return nil
        case "protocol": return try value.wholeNumber(in: 1...UInt8.max)
        case "coverage", "service": throw .refused("'\(parts[0])' is for UDP-Lite and DCCP, which are not spoken here")
        default: throw Self.unknown(option)
        }
        ofTCP = parts[0]
        return nil
    }

    private static func unknown(_ option: String) -> OptionError {
        .invalid(value: option, expected: "an option of a method (see -O help)")
    }
}

extension Options {
    /// Options of methods with commas between them.
    mutating func addMethodOptions(_ list: String) throws(OptionError) {
        for option in list.split(separator: ",", omittingEmptySubsequences: false) {
            if option == "help" {
                wantsMethodHelp = true
            } else if let number = try methodOptions.add(String(option)) {
                choose(IPProtocol(rawValue: number))
            }
        }
    }
}
