import PacketFormats
import ProbeEngine

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

/// All whom a measurement asks, by number. Of many only names that are no addresses take memory; the others are made when
/// they are asked for.
public struct ReportTargets: RandomAccessCollection, MutableCollection, Sendable {
    /// All of them, where they were given so.
    private var few: [ReportTarget] = []
    private var addresses = TargetList([])
    private var names = TargetNames()
    private var otherNames: [UInt32: SafeText] = [:]

    public var startIndex: Int { 0 }
    /// How many there are.
    public let endIndex: Int

    /// O(1).
    public init(_ targets: [ReportTarget]) {
        few = targets
        endIndex = targets.count
    }

    /// Targets without a name are called by their address.
    ///
    /// - Parameter otherNames: come before `names`.
    public init(_ addresses: TargetList, names: TargetNames = TargetNames(), otherNames: [UInt32: SafeText] = [:]) {
        self.addresses = addresses
        self.names = names
        self.otherNames = otherNames
        endIndex = addresses.count
    }

    /// Traps outside of `indices`. O(log names) and the text of an address.
    public subscript(index: Int) -> ReportTarget {
        get {
            if index < few.count { return few[index] }
            let address = addresses[index]
            let number = UInt32(truncatingIfNeeded: index)
            if !otherNames.isEmpty, let name = otherNames[number] { return ReportTarget(name: name, address: address) }
            let name = names[number].map { SafeText($0) } ?? SafeText(printable: address.description)
            return ReportTarget(name: name, address: address)
        }
        set {
            guard index >= few.count else {
                few[index] = newValue
                return
            }
            addresses[index] = newValue.address
            otherNames[UInt32(truncatingIfNeeded: index)] = newValue.name
        }
    }

    /// Where the probes of a target go, without its name.
    func address(of index: Int) -> IPAddress { index < few.count ? few[index].address : addresses[index] }
}

extension ReportTargets: ExpressibleByArrayLiteral {
    public init(arrayLiteral targets: ReportTarget...) { self.init(targets) }
}
