import LinuxSockets
import PacketFormats

/// Who announces an address, by the TXT records that Team Cymru publishes below origin.asn.cymru.com and
/// origin6.asn.cymru.com: `64500 64501 | 192.0.2.0/24 | US | arin | 2001-02-03`.
enum OriginDNS {
    /// Asks the name service and waits for it; nil where that gives no answer.
    static func origins(of address: IPAddress) -> ASOrigins? {
        do throws(DNSFailure) {
            let message = try queryDNSText(name(for: address))
            guard let answer = try? DNSText(parsing: message.bytes) else { return nil }
            return origins(of: address, in: answer.texts)
        } catch {
            return error == .noRecord ? ASOrigins.none : nil
        }
    }

    /// The name that has the records. Of an IPv6 address it has the first 64 bits: nobody announces less, and the rest is
    /// nobody's business.
    static func name(for address: IPAddress) -> String {
        switch address {
        case .v4(let address):
            let octets = [0, 8, 16, 24].map { String(address.rawValue >> UInt32($0) & 0xff) }
            return octets.joined(separator: ".") + ".origin.asn.cymru.com"
        case .v6(let address):
            let nibbles = (0..<16).map { String(address.high >> UInt64(4 * $0) & 0xf, radix: 16) }
            return nibbles.joined(separator: ".") + ".origin6.asn.cymru.com"
        }
    }

    /// The origins of the longest prefix among the records that holds the address; nobody where there is no such record.
    static func origins(of address: IPAddress, in texts: [[UInt8]]) -> ASOrigins {
        var longest = -1
        var numbers: [ASNumber] = []
        for text in texts {
            let fields = text.split(separator: UInt8(ascii: "|"), maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count > 1, let prefix = IPPrefix(words(fields[1]).first ?? ""),
                prefix.contains(address.withoutZone)
            else { continue }
            let found = words(fields[0]).compactMap { UInt32(decimal: $0.utf8) }.map(ASNumber.init(rawValue:))
            guard !found.isEmpty, prefix.length >= longest else { continue }
            if prefix.length > longest { numbers = [] }
            longest = prefix.length
            numbers += found
        }
        return ASOrigins(numbers)
    }

    private static func words(_ field: ArraySlice<UInt8>) -> [String] {
        field.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
    }
}
