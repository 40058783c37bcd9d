import CLinuxSockets

/// Why the DNS gave no answer.
public enum DNSFailure: Error, Hashable, Sendable {
    /// There is no such name, or it has no record of that type: that is an answer too.
    case noRecord
    /// No server answered, or none could.
    case noAnswer
}

/// The message that answers a question for the TXT records of a name, 64 KiB at most.
///
/// It waits for the name servers of resolv.conf(5) for as long as that says. The corresponding C function is
/// `res_nquery`.
public func queryDNSText(_ name: String) throws(DNSFailure) -> [UInt8] {
    var failure: Int32 = 0
    var length: Int32 = -1
    let answer = unsafe [UInt8](unsafeUninitializedCapacity: maximumDNSMessage) { buffer, count in
        unsafe length = np_dns_text(name, buffer.baseAddress, Int32(buffer.count), &failure)
        // The length is the message's own, of which only what there is room for was written.
        count = min(max(0, Int(length)), buffer.count)
    }
    guard length >= 0 else {
        switch UInt32(bitPattern: failure) {
        case NP_DNS_NO_SUCH_NAME.rawValue, NP_DNS_NO_DATA.rawValue: throw .noRecord
        default: throw .noAnswer
        }
    }
    return answer
}

private let maximumDNSMessage = 65_536
