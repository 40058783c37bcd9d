/// Why bytes are not the packet that was asked for, or why a packet can't be written.
public enum PacketError: Error, Hashable, Sendable {
    /// Fewer bytes than the format needs.
    case truncated(needed: Int, available: Int)
    /// A version field of another protocol.
    case wrongVersion(expected: UInt8, found: UInt8)
    /// A length field that contradicts the format or the bytes that are there.
    case invalidLength(field: String, value: Int)
    /// A value that the format does not allow.
    case invalidValue(field: String, value: UInt64)
    /// A checksum that does not verify; `found` is what the packet holds.
    case wrongChecksum(found: UInt16)
}

extension PacketError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .truncated(let needed, let available):
            "truncated: needed \(needed) bytes, available \(available)"
        case .wrongVersion(let expected, let found):
            "wrong version: expected \(expected), found \(found)"
        case .invalidLength(let field, let value):
            "invalid length: \(field) is \(value)"
        case .invalidValue(let field, let value):
            "invalid value: \(field) is 0x\(String(value, radix: 16))"
        case .wrongChecksum(let found):
            "wrong checksum: found 0x\(String(found, radix: 16))"
        }
    }
}

extension RawSpan {
    /// Throws `truncated` when the span is shorter than `needed`.
    @inlinable
    func require(_ needed: Int) throws(PacketError) {
        guard byteCount >= needed else { throw .truncated(needed: needed, available: byteCount) }
    }
}

extension OutputRawSpan {
    /// Throws `truncated` when fewer than `needed` bytes are free.
    @inlinable
    func require(_ needed: Int) throws(PacketError) {
        guard freeCapacity >= needed else { throw .truncated(needed: needed, available: freeCapacity) }
    }
}
