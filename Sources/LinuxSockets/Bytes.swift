import PacketFormats

/// Loads and stores in this machine's byte order, in which the kernel hands structs over.
///
/// The loads check their bounds, and every bit pattern of an integer is a value, which is why the `unsafe` holds.
extension RawSpan {
    @inline(__always)
    func native<Value: FixedWidthInteger & BitwiseCopyable>(_ type: Value.Type, at offset: Int) -> Value {
        unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: type)
    }
}

/// Whether the low byte of an integer comes first in this machine's memory.
let isLittleEndian = 1.littleEndian == 1
