import PacketFormats

/// Whom a measurement asks, as it was named.
public struct ReportTarget: Hashable, Sendable {
    /// What stood on the command line.
    public var name: SafeText
    public var address: IPAddress

    public init(name: SafeText, address: IPAddress) {
        self.name = name
        self.address = address
    }
}
