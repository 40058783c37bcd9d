import PacketFormats
import ProbeEngine

extension EchoError {
    /// The words that ping has for the error, its code in place of words where it has none.
    public var text: String { Self.text(type, code: code, info: info, responder.version) }

    static func text(_ type: ICMPType, code: UInt8, info: UInt32, _ version: IPVersion) -> String {
        switch version {
        case .v4: textV4(type, code, info)
        case .v6: textV6(type, code, info)
        }
    }

    private static func textV4(_ type: ICMPType, _ code: UInt8, _ info: UInt32) -> String {
        switch type {
        case ICMPType.V4.destinationUnreachable:
            if code == ICMPHeader.fragmentationNeeded { return "Frag needed and DF set (mtu = \(info & 0xffff))" }
            return code < unreachableV4.count
                ? unreachableV4[Int(code)] : "Dest Unreachable, Bad Code: \(code)"
        case ICMPType.V4.sourceQuench: return "Source Quench"
        case ICMPType.V4.redirect:
            let kind = code < redirects.count ? redirects[Int(code)] : "Redirect, Bad Code: \(code)"
            return "\(kind)(New nexthop: \(IPv4Address(rawValue: info)))"
        case ICMPType.V4.timeExceeded:
            switch code {
            case 0: return "Time to live exceeded"
            case 1: return "Frag reassembly time exceeded"
            default: return "Time exceeded, Bad Code: \(code)"
            }
        case ICMPType.V4.parameterProblem: return "Parameter problem: pointer = \(info >> 24)"
        default: return "Bad ICMP type: \(type.rawValue)"
        }
    }

    private static func textV6(_ type: ICMPType, _ code: UInt8, _ info: UInt32) -> String {
        switch type {
        case ICMPType.V6.destinationUnreachable:
            let reason = code < unreachableV6.count ? unreachableV6[Int(code)] : "Unknown code \(code)"
            return "Destination unreachable: \(reason)"
        case ICMPType.V6.packetTooBig:
            return "Packet too big: mtu=\(info)" + (code == 0 ? "" : ", code=\(code)")
        case ICMPType.V6.timeExceeded:
            switch code {
            case 0: return "Time exceeded: Hop limit"
            case 1: return "Time exceeded: Defragmentation failure"
            default: return "Time exceeded: code \(code)"
            }
        case ICMPType.V6.parameterProblem:
            let reason = code < problemsV6.count ? problemsV6[Int(code)] : "code \(code)"
            return "Parameter problem: \(reason) at \(info)"
        default: return "unknown icmp type: \(type.rawValue)"
        }
    }

    /// By code (RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1).
    private static let unreachableV4 = [
        "Destination Net Unreachable", "Destination Host Unreachable", "Destination Protocol Unreachable",
        "Destination Port Unreachable", "Frag needed and DF set", "Source Route Failed", "Destination Net Unknown",
        "Destination Host Unknown", "Source Host Isolated", "Destination Net Prohibited",
        "Destination Host Prohibited", "Destination Net Unreachable for Type of Service",
        "Destination Host Unreachable for Type of Service", "Packet filtered", "Precedence Violation",
        "Precedence Cutoff",
    ]
    /// By code (RFC 792).
    private static let redirects = [
        "Redirect Network", "Redirect Host", "Redirect Type of Service and Network",
        "Redirect Type of Service and Host",
    ]
    /// By code (RFC 4443 section 3.1).
    private static let unreachableV6 = [
        "No route", "Administratively prohibited", "Beyond scope of source address", "Address unreachable",
        "Port unreachable", "Source address failed ingress/egress policy", "Reject route to destination",
    ]
    /// By code (RFC 4443 section 3.4).
    private static let problemsV6 = ["Wrong header field", "Unknown header", "Unknown option"]
}

extension PathAnswer {
    /// The mark that traceroute sets behind a round trip for an answer that ends the path early: `!H`, `!F-1400`.
    public var annotation: String? {
        guard case .error(let type, let code, let info) = kind else { return nil }
        switch responder.version {
        case .v4: return Self.annotationV4(type, code, info)
        case .v6: return Self.annotationV6(type, code, info)
        }
    }

    private static func annotationV4(_ type: ICMPType, _ code: UInt8, _ info: UInt32) -> String? {
        guard type == ICMPType.V4.destinationUnreachable else { return "!<\(type.rawValue)-\(code)>" }
        switch code {
        case 0, 6, 8, 11: return "!N"
        case 1, 7, 12: return "!H"
        case 2: return "!P"
        case 3: return nil
        case 4: return "!F-\(info & 0xffff)"
        case 5: return "!S"
        case 9, 10, 13: return "!X"
        case 14: return "!V"
        case 15: return "!C"
        default: return "!<\(code)>"
        }
    }

    private static func annotationV6(_ type: ICMPType, _ code: UInt8, _ info: UInt32) -> String? {
        switch type {
        case ICMPType.V6.destinationUnreachable:
            switch code {
            case 0: return "!N"
            case 1: return "!X"
            case 2, 3: return "!H"
            case 4: return nil
            default: return "!<\(code)>"
            }
        case ICMPType.V6.packetTooBig: return "!F-\(info)"
        default: return "!<\(type.rawValue)-\(code)>"
        }
    }
}

extension SendFailure {
    /// The symbol and value of the error number (errno(3)). A queue that stays full is the kernel's ENOBUFS.
    var errorNumber: (name: String, code: Int32) {
        switch self {
        case .retryLater: ("ENOBUFS", 105)
        case .failed(let code, let name, _): (name, code)
        }
    }

    /// The words of the C library for it, as far as a send is known to fail with it, else the symbol.
    var meaning: String { Self.meanings[errorNumber.name] ?? errorNumber.name }

    /// The symbol with its meaning, where a send is known to fail with it: `ENETUNREACH: Network is unreachable`.
    public var text: String {
        let name = errorNumber.name
        return Self.meanings[name].map { "\(name): \($0)" } ?? name
    }

    private static let meanings = [
        "EPERM": "Operation not permitted",
        "EAGAIN": "Resource temporarily unavailable",
        "ENOMEM": "Cannot allocate memory",
        "EACCES": "Permission denied",
        "ENODEV": "No such device",
        "EINVAL": "Invalid argument",
        "EMSGSIZE": "Message too long",
        "EAFNOSUPPORT": "Address family not supported by protocol",
        "EADDRNOTAVAIL": "Cannot assign requested address",
        "ENETDOWN": "Network is down",
        "ENETUNREACH": "Network is unreachable",
        "ENOBUFS": "No buffer space available",
        "ECONNREFUSED": "Connection refused",
        "EHOSTDOWN": "Host is down",
        "EHOSTUNREACH": "No route to host",
    ]
}
