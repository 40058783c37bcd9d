/// The options of an IPv4 header, in their order (RFC 791 section 3.1).
public typealias IPv4Options = HeaderOptions<IPv4Option>

/// The options of a TCP header, in their order (RFC 9293 section 3.1).
public typealias TCPOptions = HeaderOptions<TCPOption>

/// An option of IPv4 or TCP, which number them alike: 0 ends the list, 1 is a single octet that does nothing, every
/// other kind is followed by a length that counts both of these octets.
public protocol HeaderOption: Hashable, Sendable {
    static var noOperation: Self { get }

    /// Reads the data as the kind says; what does not fit its kind is kept as unknown.
    init(kind: UInt8, data: RawSpan)

    /// Writes the whole option. Throws when it does not fit or contradicts itself.
    func write(to output: inout OutputRawSpan) throws(PacketError)
}

/// A list of options as it stands in a header.
public struct HeaderOptions<Element: HeaderOption>: Hashable, Sendable, RandomAccessCollection,
    ExpressibleByArrayLiteral
{
    public var elements: [Element]

    @inlinable
    public init(_ elements: [Element]) { self.elements = elements }

    @inlinable
    public init(arrayLiteral elements: Element...) { self.elements = elements }

    @inlinable public var isEmpty: Bool { elements.isEmpty }

    /// Parses the options area of a header, up to its end or its end-of-list octet.
    ///
    /// Throws when an option's length is less than 2 or passes the area, or the area passes 40 octets. O(n).
    public init(parsing bytes: RawSpan) throws(PacketError) {
        guard bytes.byteCount <= maximumOptionsLength else {
            throw .invalidLength(field: "options", value: bytes.byteCount)
        }
        elements = []
        var offset = 0
        while offset < bytes.byteCount {
            let kind = bytes.octet(at: offset)
            if kind == endOfOptions { break }
            if kind == noOperationOption {
                elements.append(.noOperation)
                offset += 1
                continue
            }
            let rest = bytes.from(offset)
            try rest.require(2)
            let length = Int(rest.octet(at: 1))
            guard length >= 2, length <= rest.byteCount else {
                throw .invalidLength(field: "optionLength", value: length)
            }
            elements.append(Element(kind: kind, data: rest.extracting(2..<length)))
            offset += length
        }
    }

    /// Writes the options, padded with end-of-list octets to a multiple of four.
    ///
    /// Throws when they don't fit, pass 40 octets, or one contradicts itself.
    public func write(to output: inout OutputRawSpan) throws(PacketError) {
        let start = output.byteCount
        for element in elements { try element.write(to: &output) }
        let length = output.byteCount - start
        guard length <= maximumOptionsLength else {
            throw .invalidLength(field: "options", value: length)
        }
        let padding = -length & 3
        try output.require(padding)
        output.append(repeating: endOfOptions, count: padding)
    }

    /// The area for the header's `options`. Throws as `write` does. O(n).
    public func encoded() throws(PacketError) -> [UInt8] {
        try [UInt8](capacity: maximumOptionsLength) { output throws(PacketError) in
            try write(to: &output)
        }
    }

    public var startIndex: Int { elements.startIndex }
    public var endIndex: Int { elements.endIndex }
    public subscript(position: Int) -> Element { elements[position] }
}

/// The octets of options in a header at most: its length field counts 15 words, of which five are the fixed part.
let maximumOptionsLength = 40
let endOfOptions: UInt8 = 0
let noOperationOption: UInt8 = 1
