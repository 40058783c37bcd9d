import LinuxSockets
import ProbeEngine

extension ProbeIdentity {
    /// An identity that nobody can guess: a block of 16 identifiers, room for more than a million probes under way, and
    /// the key of the cookies. Throws when the kernel has no randomness (getrandom(2)).
    public static func random() throws(Errno) -> ProbeIdentity {
        let bytes = try randomBytes(18)
        func number(_ range: Range<Int>) -> UInt64 { bytes[range].reduce(0) { $0 << 8 | UInt64($1) } }
        return ProbeIdentity(
            identifier: UInt16(truncatingIfNeeded: number(0..<2)) & ~(identifiers - 1), identifierCount: identifiers,
            cookies: SipHash(k0: number(2..<10), k1: number(10..<18)))
    }

    private static var identifiers: UInt16 { 16 }
}
