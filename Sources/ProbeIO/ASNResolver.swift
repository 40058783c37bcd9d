import LinuxSockets
import PacketFormats

/// Who announces addresses, by a table and by the DNS, asked in parallel beside a loop as `ReverseResolver` asks for
/// names.
///
///     let origins = try ASNResolver(table: table, asksDNS: false, beside: names)
///     poller.add(origins, token: 3)
///     origins.lookUp(address)
///     while let (address, origins) = origins.nextAnswer() { ... }
///
/// The table is asked first, and the DNS only about addresses of which that knows nobody; it is never asked about those
/// that are no business of anybody else's (`IPAddress.isGlobal`). Its threads have the rights of the thread that asks:
/// make the first request after rights were dropped.
public final class ASNResolver: DescriptorOwner {
    private let table: ASNTable?
    private let asksDNS: Bool
    private let pool: LookupPool<IPAddress, ASOrigins?>
    private let poller: Poller

    /// Readable when an answer is there, or when the companion is readable.
    public var rawDescriptor: Int32 { poller.rawDescriptor }

    /// Throws what the kernel refuses. No thread is started before the DNS is asked.
    ///
    /// - Parameters:
    ///   - threads: how many questions to the DNS are on their way at once, at least 1.
    ///   - companion: one more descriptor to be readable for, which must live as long as this.
    public init<Companion: DescriptorOwner & ~Copyable>(
        table: ASNTable?, asksDNS: Bool, threads: Int = 16, beside companion: borrowing Companion
    ) throws(Errno) {
        self.table = table
        self.asksDNS = asksDNS
        pool = try LookupPool(threads: threads) { OriginDNS.origins(of: $0) }
        poller = try Poller()
        try poller.add(pool.wakeDescriptor, token: 0)
        try poller.add(companion, token: 0)
    }

    /// Asks who announces an address. What the table knows is there at once. False when too many questions and answers
    /// wait (4,096): there will be no answer to this one.
    @discardableResult
    public func lookUp(_ address: IPAddress) -> Bool {
        let known = table.map { $0.origins(of: address) } ?? ASOrigins.none
        guard known == ASOrigins.none, asksDNS, address.isGlobal else { return pool.deliver(known, to: address) }
        return pool.ask(address)
    }

    /// The next answer, nil when none is there; its origins are nil where nobody could answer. Cheap.
    public func nextAnswer() -> (address: IPAddress, origins: ASOrigins?)? {
        pool.nextAnswer().map { (address: $0.question, origins: $0.answer) }
    }

    /// Questions without an answer so far.
    public var pendingCount: Int { pool.pendingCount }

    /// Forgets every question; answers to them don't come any more.
    public func cancel() { pool.cancel() }

    deinit { pool.cancel() }
}
