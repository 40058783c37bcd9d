/// The number of an autonomous system (RFC 6793), written as RFC 5396 does in asplain: `AS64500`.
public struct ASNumber: RawRepresentable, Hashable, Sendable, BitwiseCopyable, Comparable {
    public var rawValue: UInt32

    @inlinable
    public init(rawValue: UInt32) { self.rawValue = rawValue }

    @inlinable
    public static func < (left: ASNumber, right: ASNumber) -> Bool { left.rawValue < right.rawValue }
}

extension ASNumber: CustomStringConvertible, LosslessStringConvertible {
    /// Parses `AS64500`, in either case.
    public init?(_ text: String) {
        let bytes = text.utf8
        guard bytes.count > 2, bytes.prefix(2).elementsEqual("AS".utf8) || bytes.prefix(2).elementsEqual("as".utf8)
        else { return nil }
        guard let value = UInt32(decimal: bytes.dropFirst(2)) else { return nil }
        self.init(rawValue: value)
    }

    public var description: String { "AS\(rawValue)" }
}

/// The autonomous systems that announce an address, none where nobody is known to.
public struct ASOrigins: Hashable, Sendable {
    /// Ascending, each once.
    public let numbers: [ASNumber]

    /// Nobody: there is an answer, and it is that.
    public static let none = ASOrigins([])

    /// Puts the numbers in order. Number 0 stands for what nobody announces (RFC 7607) and is left out; of more than 16
    /// the lowest are kept.
    public init(_ numbers: some Sequence<ASNumber>) {
        self.numbers = Array(Set(numbers).filter { $0.rawValue != 0 }.sorted().prefix(Self.maximum))
    }

    public func contains(_ number: ASNumber) -> Bool { numbers.contains(number) }

    private static let maximum = 16
}

extension ASOrigins: CustomStringConvertible {
    /// As traceroute's `-A` has it between brackets: `AS64500`, `AS64500/AS64501`, and `*` for nobody.
    public var description: String {
        numbers.isEmpty ? "*" : numbers.map(\.description).joined(separator: "/")
    }
}
