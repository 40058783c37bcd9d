/// One instruction of the classic BPF machine (bpf(4), Documentation/networking/filter.rst).
public struct BPFInstruction: Hashable, Sendable, BitwiseCopyable {
    // The order and widths of struct sock_filter.
    public var code: UInt16
    /// Instructions to skip when the condition holds.
    public var jumpTrue: UInt8
    /// Instructions to skip when it does not.
    public var jumpFalse: UInt8
    public var k: UInt32

    public init(code: UInt16, jumpTrue: UInt8 = 0, jumpFalse: UInt8 = 0, k: UInt32 = 0) {
        self.code = code
        self.jumpTrue = jumpTrue
        self.jumpFalse = jumpFalse
        self.k = k
    }
}

/// A filter for `Socket.attach`: what it refuses never reaches the receive queue.
///
/// The kernel checks a program when it is attached. A load beyond the end of a packet refuses the packet.
public struct BPFProgram: Hashable, Sendable {
    public var instructions: [BPFInstruction]

    public init(_ instructions: [BPFInstruction]) { self.instructions = instructions }

    /// Refuses every packet.
    public static let dropAll = BPFProgram([BPFInstruction(code: BPFAssembler.returnConstant, k: 0)])

    /// For a raw ICMP socket (IPv4): our replies, and errors that quote our packets.
    ///
    /// Echo, timestamp and extended echo replies pass whose identifier is `identifiers`; errors (unreachable, source
    /// quench, redirect, time exceeded, parameter problem) pass whose quoted packet is an ICMP request with such an
    /// identifier, UDP or TCP from a source port in `sourcePorts`, or of the protocol `proto`; and of requests and UDP
    /// from elsewhere those that `rewritten` allows. Neither checksum nor source is tested.
    public static func icmp(
        _ identifiers: IdentifierBlock?, sourcePorts: ClosedRange<UInt16>? = nil, proto: UInt8? = nil,
        rewritten: RewrittenQuotes? = nil
    ) -> BPFProgram {
        var code = BPFAssembler()
        let labels = QuoteLabels(&code)
        let quoted = code.label()
        let identifier = code.label()
        // The socket sees the IP header: X is its length.
        code.loadHeaderLengthToX(at: 0)
        code.loadOctet(atXPlus: 0)
        for reply: UInt32 in [0, 14, 43] { code.jump(ifEqual: reply, to: identifier) }
        for error: UInt32 in [3, 4, 5, 11, 12] { code.jump(ifEqual: error, to: quoted) }
        code.drop()

        code.place(identifier)
        code.accept(identifiers, atXPlus: 4)

        // The quoted packet starts at X + 8; its protocol is kept while X moves behind its header.
        code.place(quoted)
        code.loadOctet(atXPlus: 8 + 9)
        if let proto { code.jump(ifEqual: UInt32(proto), to: labels.accept) }
        code.storeA(in: 0)
        code.loadOctet(atXPlus: 8)
        code.and(0xf)
        code.shiftLeft(2)
        code.addX()
        code.copyAToX()
        code.loadA(from: 0)
        code.jump(ifEqual: 1, to: labels.message)
        code.jump(ifEqual: 6, to: labels.segment)
        code.jump(ifEqual: 17, to: labels.datagram)
        code.drop()
        code.judgeQuotes(labels, at: 8, requests: [8, 13, 42], identifiers, sourcePorts, rewritten)
        return code.program()
    }

    /// For a raw ICMPv6 socket: our replies, and errors that quote our packets, as `icmp` does for IPv4.
    ///
    /// Errors are unreachable, packet too big, time exceeded and parameter problem. A quoted packet with extension
    /// headers passes untested.
    public static func icmpv6(
        _ identifiers: IdentifierBlock?, sourcePorts: ClosedRange<UInt16>? = nil, proto: UInt8? = nil,
        rewritten: RewrittenQuotes? = nil
    ) -> BPFProgram {
        var code = BPFAssembler()
        let labels = QuoteLabels(&code)
        let identifier = code.label()
        let quoted = code.label()
        // The socket sees no IP header: the message starts at 0, the quoted header of 40 octets at 8.
        code.loadConstantToX(0)
        code.loadOctet(atXPlus: 0)
        for reply: UInt32 in [129, 161] { code.jump(ifEqual: reply, to: identifier) }
        for error: UInt32 in [1, 2, 3, 4] { code.jump(ifEqual: error, to: quoted) }
        code.drop()

        code.place(identifier)
        code.accept(identifiers, atXPlus: 4)

        code.place(quoted)
        code.loadOctet(atXPlus: 8 + 6)
        if let proto { code.jump(ifEqual: UInt32(proto), to: labels.accept) }
        code.jump(ifEqual: 58, to: labels.message)
        code.jump(ifEqual: 6, to: labels.segment)
        code.jump(ifEqual: 17, to: labels.datagram)
        for header: UInt32 in [0, 43, 44, 51, 60, 135] { code.jump(ifEqual: header, to: labels.accept) }
        code.drop()
        code.judgeQuotes(labels, at: 48, requests: [128, 160], identifiers, sourcePorts, rewritten)
        return code.program()
    }

    /// For a raw TCP or UDP socket over IPv4: segments to a destination port in `ports`.
    public static func ipv4(destinationPorts ports: ClosedRange<UInt16>) -> BPFProgram {
        var code = BPFAssembler()
        code.loadHeaderLengthToX(at: 0)
        code.accept(ports, atXPlus: 2)
        return code.program()
    }

    /// For a raw TCP or UDP socket over IPv6, which sees no IP header: segments to a destination port in `ports`.
    public static func ipv6(destinationPorts ports: ClosedRange<UInt16>) -> BPFProgram {
        var code = BPFAssembler()
        code.loadConstantToX(0)
        code.accept(ports, atXPlus: 2)
        return code.program()
    }
}

/// A set of ICMP identifiers that one mask describes: those with `identifier & mask == value`.
public struct IdentifierBlock: Hashable, Sendable, BitwiseCopyable {
    public var value: UInt16
    public var mask: UInt16

    /// The bits of `value` outside of `mask` are cleared.
    @inlinable
    public init(value: UInt16, mask: UInt16 = 0xffff) {
        self.value = value & mask
        self.mask = mask
    }

    @inlinable
    public func contains(_ identifier: UInt16) -> Bool { identifier & mask == value }
}

/// Which quotes pass although their source port or identifier is not ours, because a translator may have rewritten it.
///
/// It keeps the errors about others' traffic away as far as that goes without a key: who reads the socket has to look
/// at the cookie.
public struct RewrittenQuotes: Hashable, Sendable, BitwiseCopyable {
    /// TCP to this port passes.
    public var destinationPort: UInt16
    /// Requests and datagrams pass that have a number below this, of four octets, eight octets behind their header.
    public var numberLimit: UInt32

    public init(destinationPort: UInt16, numberLimit: UInt32) {
        self.destinationPort = destinationPort
        self.numberLimit = numberLimit
    }
}

/// Where the parts of a program start that judge what is quoted.
private struct QuoteLabels {
    let message: BPFAssembler.Label
    let segment: BPFAssembler.Label
    let datagram: BPFAssembler.Label
    let accept: BPFAssembler.Label

    init(_ code: inout BPFAssembler) {
        message = code.label()
        segment = code.label()
        datagram = code.label()
        accept = code.label()
    }
}

/// Lays instructions down with labels for the jumps, which classic BPF only knows forward and at most 255 far.
///
/// For the programs of this file: an unplaced label or a jump too far is a mistake in them and traps.
struct BPFAssembler {
    struct Label {
        var index: Int
    }

    private var instructions: [BPFInstruction] = []
    private var places: [Int?] = []
    private var jumps: [(at: Int, to: Label)] = []

    mutating func label() -> Label {
        places.append(nil)
        return Label(index: places.count - 1)
    }

    mutating func place(_ label: Label) { places[label.index] = instructions.count }

    mutating func loadOctet(atXPlus offset: UInt32) { append(0x50, offset) }
    mutating func loadTwoOctets(atXPlus offset: UInt32) { append(0x48, offset) }
    mutating func loadFourOctets(atXPlus offset: UInt32) { append(0x40, offset) }
    mutating func loadConstantToX(_ value: UInt32) { append(0x01, value) }
    /// X becomes four times the low half of the octet: the length of an IPv4 header.
    mutating func loadHeaderLengthToX(at offset: UInt32) { append(0xb1, offset) }
    mutating func storeA(in cell: UInt32) { append(0x02, cell) }
    mutating func loadA(from cell: UInt32) { append(0x60, cell) }
    mutating func and(_ mask: UInt32) { append(0x54, mask) }
    mutating func shiftLeft(_ bits: UInt32) { append(0x64, bits) }
    mutating func addX() { append(0x0c, 0) }
    mutating func copyAToX() { append(0x07, 0) }
    mutating func accept() { append(Self.returnConstant, .max) }
    mutating func drop() { append(Self.returnConstant, 0) }

    mutating func jump(ifEqual value: UInt32, to label: Label) { jump(0x15, value, label) }
    mutating func jump(ifGreater value: UInt32, to label: Label) { jump(0x25, value, label) }
    mutating func jump(ifAtLeast value: UInt32, to label: Label) { jump(0x35, value, label) }

    /// Ends the program for packets whose two octets at X + `offset` are in the block.
    mutating func accept(_ identifiers: IdentifierBlock?, atXPlus offset: UInt32) {
        guard let identifiers else { return drop() }
        let ours = label()
        loadTwoOctets(atXPlus: offset)
        and(UInt32(identifiers.mask))
        jump(ifEqual: UInt32(identifiers.value), to: ours)
        drop()
        place(ours)
        accept()
    }

    /// Goes on behind it with packets whose two octets at X + `offset` are not in the range.
    mutating func jump(if ports: ClosedRange<UInt16>?, atXPlus offset: UInt32, to label: Label) {
        guard let ports else { return }
        let above = self.label()
        loadTwoOctets(atXPlus: offset)
        jump(ifGreater: UInt32(ports.upperBound), to: above)
        jump(ifAtLeast: UInt32(ports.lowerBound), to: label)
        place(above)
    }

    /// Ends the program for packets whose quoted upper layer starts at X + `start`.
    fileprivate mutating func judgeQuotes(
        _ labels: QuoteLabels, at start: UInt32, requests: [UInt32], _ identifiers: IdentifierBlock?,
        _ sourcePorts: ClosedRange<UInt16>?, _ rewritten: RewrittenQuotes?
    ) {
        let request = label()
        let number = label()
        place(labels.message)
        loadOctet(atXPlus: start)
        for type in requests { jump(ifEqual: type, to: request) }
        drop()
        place(request)
        if let identifiers {
            loadTwoOctets(atXPlus: start + 4)
            and(UInt32(identifiers.mask))
            jump(ifEqual: UInt32(identifiers.value), to: labels.accept)
            if rewritten != nil { jump(ifAtLeast: 0, to: number) }
        }
        drop()

        place(labels.segment)
        jump(if: sourcePorts, atXPlus: start, to: labels.accept)
        if let rewritten, sourcePorts != nil {
            loadTwoOctets(atXPlus: start + 2)
            jump(ifEqual: UInt32(rewritten.destinationPort), to: labels.accept)
        }
        drop()

        place(labels.datagram)
        jump(if: sourcePorts, atXPlus: start, to: labels.accept)
        if rewritten != nil, sourcePorts != nil { jump(ifAtLeast: 0, to: number) }
        drop()

        place(number)
        if let rewritten {
            let tooHigh = label()
            loadFourOctets(atXPlus: start + 16)
            jump(ifAtLeast: rewritten.numberLimit, to: tooHigh)
            accept()
            place(tooHigh)
            drop()
        }
        place(labels.accept)
        accept()
    }

    /// Ends the program for packets whose two octets at X + `offset` are in the range.
    mutating func accept(_ ports: ClosedRange<UInt16>?, atXPlus offset: UInt32) {
        guard let ports else { return drop() }
        let (highEnough, above) = (label(), label())
        loadTwoOctets(atXPlus: offset)
        jump(ifAtLeast: UInt32(ports.lowerBound), to: highEnough)
        drop()
        place(highEnough)
        jump(ifGreater: UInt32(ports.upperBound), to: above)
        accept()
        place(above)
        drop()
    }

    func program() -> BPFProgram {
        var instructions = instructions
        for jump in jumps {
            guard let place = places[jump.to.index], let distance = UInt8(exactly: place - jump.at - 1) else {
                preconditionFailure("a BPF jump leads nowhere")
            }
            instructions[jump.at].jumpTrue = distance
        }
        return BPFProgram(instructions)
    }

    private mutating func append(_ code: UInt16, _ k: UInt32) {
        instructions.append(BPFInstruction(code: code, k: k))
    }

    private mutating func jump(_ code: UInt16, _ k: UInt32, _ label: Label) {
        jumps.append((instructions.count, label))
        append(code, k)
    }

    static let returnConstant: UInt16 = 0x06
}
