/// Big-endian loads and stores: the only place of this module that needs `unsafe`.
///
/// The standard library marks the generic loads of `RawSpan` unsafe because a type may have bit patterns that are not
/// values. Every type here is an unsigned integer, for which each bit pattern is a value, and the loads themselves check
/// their bounds.
extension RawSpan {
    /// The octet at `offset`; traps outside of the span, so lengths come first.
    @inlinable
    public func octet(at offset: Int) -> UInt8 {
        unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    /// Two octets in network byte order at `offset`.
    @inlinable
    public func uint16(at offset: Int) -> UInt16 {
        unsafe UInt16(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }

    /// Four octets in network byte order at `offset`.
    @inlinable
    public func uint32(at offset: Int) -> UInt32 {
        unsafe UInt32(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }

    /// Eight octets in network byte order at `offset`.
    @inlinable
    public func uint64(at offset: Int) -> UInt64 {
        unsafe UInt64(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// Eight octets at `offset` in the byte order of this machine, for sums that don't care.
    @inlinable
    func nativeUInt64(at offset: Int) -> UInt64 {
        unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }

    /// The octets from `offset` to the end, none when `offset` lies behind it.
    @inlinable
    @_lifetime(copy self)
    public func from(_ offset: Int) -> RawSpan {
        extracting(droppingFirst: min(offset, byteCount))
    }

    /// The first `count` octets, all when fewer are there.
    @inlinable
    @_lifetime(copy self)
    public func prefix(_ count: Int) -> RawSpan {
        extracting(first: min(count, byteCount))
    }

    /// A copy of the octets. O(n).
    public func copied() -> [UInt8] {
        var copy: [UInt8] = []
        copy.reserveCapacity(byteCount)
        for offset in 0..<byteCount { copy.append(octet(at: offset)) }
        return copy
    }
}

extension OutputRawSpan {
    /// Appends two octets in network byte order.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func append(_ value: UInt16) {
        unsafe append(value.bigEndian, as: UInt16.self)
    }

    /// Appends four octets in network byte order.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func append(_ value: UInt32) {
        unsafe append(value.bigEndian, as: UInt32.self)
    }

    /// Appends eight octets in network byte order.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func append(_ value: UInt64) {
        unsafe append(value.bigEndian, as: UInt64.self)
    }

    /// Appends `count` octets of the same value.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func append(repeating value: UInt8, count: Int) {
        unsafe append(repeating: value, count: count, as: UInt8.self)
    }

    /// Appends all octets of a span. O(n).
    @inlinable
    @_lifetime(self: copy self)
    public mutating func append(contentsOf bytes: RawSpan) {
        var offset = 0
        while offset &+ 8 <= bytes.byteCount {
            unsafe append(bytes.nativeUInt64(at: offset), as: UInt64.self)
            offset &+= 8
        }
        while offset < bytes.byteCount {
            append(bytes.octet(at: offset))
            offset &+= 1
        }
    }

    /// Overwrites the two octets at `offset`, which must have been written, in network byte order: the place of a
    /// checksum that is known only at the end.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func replace(at offset: Int, with value: UInt16) {
        var written = mutableBytes
        precondition(offset >= 0 && offset &+ 2 <= written.byteCount)
        written.storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)
    }
}

extension Array where Element == UInt8 {
    /// The octets as the span that every parser reads.
    @inlinable
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        get { unsafe span.bytes }
    }

    /// The bytes that `write` puts in a buffer of `capacity` bytes. O(n).
    @inlinable
    public init<Failure: Error>(
        capacity: Int, writing write: (inout OutputRawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        var bytes = [UInt8](repeating: 0, count: capacity)
        var result: Result<Int, Failure> = .success(0)
        // The buffer lives for the whole closure and every byte of it is initialised.
        unsafe bytes.withUnsafeMutableBytes { buffer in
            var output = unsafe OutputRawSpan(buffer: buffer, initializedCount: 0)
            do throws(Failure) {
                try write(&output)
                result = .success(unsafe output.finalize(for: buffer))
            } catch {
                result = .failure(error)
            }
        }
        bytes.removeLast(capacity - (try result.get()))
        self = bytes
    }
}
