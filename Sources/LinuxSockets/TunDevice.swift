import CLinuxSockets
import Glibc
import PacketFormats

/// A network interface whose other end is this program: it reads and writes whole IP packets
/// (Documentation/networking/tuntap.rst).
///
/// The interface vanishes with the descriptor.
public struct TunDevice: ~Copyable, DescriptorOwner, Sendable {
    /// The name that the interface got.
    public let name: String
    private let descriptor: FileDescriptor

    public var rawDescriptor: Int32 { descriptor.rawDescriptor }

    /// Makes the interface, which is down and has no address yet; needs CAP_NET_ADMIN.
    ///
    /// Throws `noDevice` for a name of more than 15 bytes, `busy` for one that is taken, `noSuchFileOrDirectory` or
    /// `noDevice` where the kernel has no TUN.
    ///
    /// - Parameter name: with `%d` for a number that the kernel chooses.
    public init(name: String = "tun%d") throws(Errno) {
        let bytes = name.utf8
        guard bytes.count < Interface.maximumNameLength else { throw .noDevice }
        var buffer = bytes.map(CChar.init(bitPattern:))
        buffer += [CChar](repeating: 0, count: Interface.maximumNameLength - buffer.count)
        let raw = try check(unsafe buffer.withUnsafeMutableBufferPointer { unsafe np_tun_open($0.baseAddress) })
        descriptor = FileDescriptor(owning: raw)
        self.name = String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// The next packet that the kernel sent to the interface, at the start of `buffer`: how many bytes, nil when none
    /// waits.
    ///
    /// A packet longer than the buffer is cut in silence, so make it as long as the interface's MTU.
    @_lifetime(buffer: copy buffer)
    public func read(into buffer: inout MutableRawSpan) throws(Errno) -> Int? {
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(rawDescriptor, $0.baseAddress, $0.count) }
        do throws(Errno) {
            return try check(count)
        } catch .wouldBlock {
            return nil
        }
    }

    /// Reads into an array of the caller, as `read(into:)` does into a span.
    public func read(into buffer: inout [UInt8]) throws(Errno) -> Int? {
        var elements = buffer.mutableSpan
        var bytes = unsafe elements.mutableBytes
        return try read(into: &bytes)
    }

    /// Hands one IP packet to the kernel as if it had arrived at the interface.
    ///
    /// Throws `invalidArgument` for bytes that are no IP packet, `Errno(rawValue: EIO)` while the interface is down.
    public func write(_ packet: RawSpan) throws(Errno) {
        try check(unsafe packet.withUnsafeBytes { unsafe Glibc.write(rawDescriptor, $0.baseAddress, $0.count) })
    }
}
