import CLibcap
import CLinuxSockets
import Glibc

/// Capabilities of Linux by their numbers (capabilities(7)).
public struct CapabilitySet: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// Bit n is the capability with number n.
    public var rawValue: UInt64

    @inlinable
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    public static let setGroupID = CapabilitySet(rawValue: 1 << 6)
    public static let setUserID = CapabilitySet(rawValue: 1 << 7)
    public static let setCapabilities = CapabilitySet(rawValue: 1 << 8)
    public static let netBindService = CapabilitySet(rawValue: 1 << 10)
    public static let netAdmin = CapabilitySet(rawValue: 1 << 12)
    public static let netRaw = CapabilitySet(rawValue: 1 << 13)
    public static let sysAdmin = CapabilitySet(rawValue: 1 << 21)
}

extension CapabilitySet: CustomStringConvertible {
    /// The kernel's names, as in `cap_net_raw,cap_net_admin`; `none` for the empty set, `all` for every capability
    /// that this kernel has.
    public var description: String {
        if isEmpty { return "none" }
        if self == .all { return "all" }
        return (0..<64).filter { contains(number: $0) }.map(Self.name).joined(separator: ",")
    }

    /// As `description`, but a set that lacks a few only is `all but cap_sys_resource`.
    public var shortDescription: String {
        let missing = CapabilitySet.all.subtracting(self)
        return !missing.isEmpty && missing.rawValue.nonzeroBitCount < 6 ? "all but \(missing)" : description
    }

    /// Every capability that this kernel has.
    public static var all: CapabilitySet {
        CapabilitySet(rawValue: cap_max_bits() >= 64 ? .max : 1 << UInt64(max(0, cap_max_bits())) - 1)
    }

    func contains(number: Int32) -> Bool { rawValue & (1 << UInt64(number)) != 0 }

    private static func name(of number: Int32) -> String {
        guard let text = unsafe cap_to_name(number) else { return "cap_\(number)" }
        defer { unsafe cap_free(text) }
        return unsafe String(cString: text)
    }
}

/// The capabilities of a thread: what it may raise, what is raised now, and what an exec inherits (capabilities(7)).
///
/// They belong to threads: every verb here changes the calling thread only, so that they are for the time when the
/// process has no other. None of them tells whether a socket will be granted; only opening it does.
public struct Capabilities: Hashable, Sendable {
    public var permitted: CapabilitySet
    public var effective: CapabilitySet
    public var inheritable: CapabilitySet

    public init(
        permitted: CapabilitySet = [], effective: CapabilitySet = [], inheritable: CapabilitySet = []
    ) {
        self.permitted = permitted
        self.effective = effective
        self.inheritable = inheritable
    }

    public var isEmpty: Bool { permitted.isEmpty && effective.isEmpty && inheritable.isEmpty }

    /// Those of the calling thread. Throws what the kernel refuses. The corresponding C function is `cap_get_proc`.
    public static func current() throws(Errno) -> Capabilities {
        guard let state = unsafe cap_get_proc() else { throw Errno.last }
        defer { unsafe cap_free(UnsafeMutableRawPointer(state)) }
        return unsafe Capabilities(
            permitted: read(state, CAP_PERMITTED), effective: read(state, CAP_EFFECTIVE),
            inheritable: read(state, CAP_INHERITABLE))
    }

    /// Makes these the calling thread's. Throws `notPermitted` when one is not permitted now. The corresponding C
    /// function is `cap_set_proc`.
    public func apply() throws(Errno) {
        guard let state = unsafe cap_init() else { throw Errno.last }
        defer { unsafe cap_free(UnsafeMutableRawPointer(state)) }
        try unsafe Self.write(permitted, state, CAP_PERMITTED)
        try unsafe Self.write(effective, state, CAP_EFFECTIVE)
        try unsafe Self.write(inheritable, state, CAP_INHERITABLE)
        try check(unsafe cap_set_proc(state))
    }

    /// Raises those of the set that are permitted, and returns which of it are effective now.
    @discardableResult
    public static func raise(_ set: CapabilitySet) throws(Errno) -> CapabilitySet {
        var capabilities = try current()
        let missing = set.intersection(capabilities.permitted).subtracting(capabilities.effective)
        if !missing.isEmpty {
            capabilities.effective.formUnion(missing)
            try capabilities.apply()
        }
        return set.intersection(capabilities.effective)
    }

    /// Makes the set ineffective; it stays permitted.
    public static func lower(_ set: CapabilitySet) throws(Errno) {
        var capabilities = try current()
        guard !capabilities.effective.isDisjoint(with: set) else { return }
        capabilities.effective.subtract(set)
        try capabilities.apply()
    }

    /// Runs `body` while those of the set that are permitted are effective, then restores what was effective before.
    ///
    /// What cannot be raised is no error here: the call in `body` that needs it reports its own.
    public static func withRaised<Result: ~Copyable, Failure: Error>(
        _ set: CapabilitySet, _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let before = try? current()
        _ = try? raise(set)
        defer { try? before?.apply() }
        return try body()
    }

    /// Gives up for ever all but the set; nothing is effective afterwards, and nothing inheritable.
    public static func keepOnly(_ set: CapabilitySet) throws(Errno) {
        try Capabilities(permitted: try current().permitted.intersection(set)).apply()
    }

    /// Gives up everything for ever: ambient, bounding where that is allowed, and all three sets; no program started
    /// later gains a right, and no other process of the user can attach to this one.
    ///
    /// Throws when a capability is left or NO_NEW_PRIVS could not be set (prctl(2)). Idempotent. It does not try a
    /// socket: see `verifyDropped`.
    public static func dropAll() throws(Errno) {
        // libcap's cap_reset_ambient asks for each capability first, which is a system call for each.
        _ = np_clear_ambient()
        // Without CAP_SETPCAP the bounding set stays, which NO_NEW_PRIVS makes harmless.
        if try raise(.setCapabilities).contains(.setCapabilities) {
            // Dropping what is not there succeeds; the first number that this kernel lacks is the end.
            for number in Int32(0)..<64 where np_drop_bounding(number) != 0 { break }
        }
        try Capabilities().apply()
        try check(np_set_no_new_privileges())
        try check(np_set_dumpable(0))
        guard try current().isEmpty, np_no_new_privileges() == 1 else { throw .notPermitted }
    }

    /// Whether `dropAll` did its work in the calling thread: no capability is left, exec gains none, and raw sockets of
    /// both versions are refused.
    public static func verifyDropped() -> Bool {
        guard let now = try? current(), now.isEmpty, np_no_new_privileges() == 1 else { return false }
        return !opens(.inet, .icmp) && !opens(.inet6, .icmpv6)
    }

    private static func opens(_ family: AddressFamily, _ number: SocketProtocol) -> Bool {
        do throws(Errno) {
            _ = try Socket(family: family, type: .raw, protocol: number)
            return true
        } catch {
            return false
        }
    }

    private static func read(_ state: cap_t, _ flag: cap_flag_t) -> CapabilitySet {
        var set = CapabilitySet()
        for number in Int32(0)..<64 {
            var value = CAP_CLEAR
            // A number that this kernel lacks fails and is not set.
            if unsafe cap_get_flag(state, number, flag, &value) == 0, value == CAP_SET {
                set.rawValue |= 1 << UInt64(number)
            }
        }
        return set
    }

    private static func write(_ set: CapabilitySet, _ state: cap_t, _ flag: cap_flag_t) throws(Errno) {
        for number in Int32(0)..<64 where set.contains(number: number) {
            var number = number
            try check(unsafe cap_set_flag(state, flag, 1, &number, CAP_SET))
        }
    }
}

/// Who a process is and what it may do, for the line that says why a socket was refused.
public struct Privileges: Hashable, Sendable {
    public var userID: UInt32
    public var effectiveUserID: UInt32
    public var groupID: UInt32
    public var effectiveGroupID: UInt32
    public var capabilities: Capabilities
    /// What an exec can gain at most.
    public var bounding: CapabilitySet
    /// The flags of capabilities(7) that change what user id 0 means.
    public var securebits: UInt32
    /// Whether exec gains nothing: set-user-ID and file capabilities are ignored (prctl(2), PR_SET_NO_NEW_PRIVS).
    public var noNewPrivileges: Bool

    /// Those of the calling thread. Throws what the kernel refuses.
    public static func current() throws(Errno) -> Privileges {
        var bounding = CapabilitySet()
        for number in Int32(0)..<64 where cap_get_bound(number) > 0 { bounding.rawValue |= 1 << UInt64(number) }
        return Privileges(
            userID: getuid(), effectiveUserID: geteuid(), groupID: getgid(), effectiveGroupID: getegid(),
            capabilities: try .current(), bounding: bounding, securebits: cap_get_secbits(),
            noNewPrivileges: np_no_new_privileges() == 1)
    }

    /// Whether effective or saved ids differ from the real ones: the program is set-user-ID or set-group-ID.
    public static var hasBorrowedIDs: Bool { np_has_other_ids() == 1 }

    /// Makes effective and saved user and group the real ones for ever and keeps the permitted capabilities, of which
    /// none is effective afterwards when the user changed from 0.
    ///
    /// The supplementary groups are the caller's already: exec does not change them. Call it after `keepOnly` and while
    /// the process has one thread. Throws what the kernel refuses. The corresponding C functions are `prctl` with
    /// `PR_SET_KEEPCAPS`, `setresgid` and `setresuid`.
    public static func giveUpBorrowedIDs() throws(Errno) {
        guard hasBorrowedIDs else { return }
        var user: uid_t = 0
        var group: gid_t = 0
        try check(unsafe np_real_ids(&user, &group))
        try check(np_set_keep_capabilities(1))
        let result = np_set_all_ids(user, group)
        let failure = Errno.last
        try check(np_set_keep_capabilities(0))
        guard result == 0 else { throw failure }
        guard !hasBorrowedIDs else { throw .notPermitted }
    }
}

extension Privileges: CustomStringConvertible {
    /// One line: `uid 1000, permitted none, effective none, bounding all`, and what else is not as usual.
    public var description: String {
        var words = ["uid \(userID)"]
        if effectiveUserID != userID { words.append("effective uid \(effectiveUserID)") }
        words.append("permitted \(capabilities.permitted)")
        words.append("effective \(capabilities.effective)")
        words.append("bounding \(bounding)")
        if securebits != 0 { words.append("securebits 0x\(String(securebits, radix: 16))") }
        if noNewPrivileges { words.append("no_new_privs") }
        return words.joined(separator: ", ")
    }
}

/// Whose groups may open ping sockets in this network namespace (icmp(7), `ping_group_range`).
public struct PingGroupRange: Hashable, Sendable {
    public var low: UInt32
    public var high: UInt32

    public init(low: UInt32, high: UInt32) {
        self.low = low
        self.high = high
    }

    /// Reads `/proc/sys/net/ipv4/ping_group_range`, nil where that is hidden: the kernel still knows, and opening a
    /// ping socket tells.
    public static func current() -> PingGroupRange? {
        guard let numbers = SystemFacts.setting("net.ipv4.ping_group_range")?.map({ UInt32(exactly: $0) }) else {
            return nil
        }
        guard numbers.count == 2, let low = numbers[0], let high = numbers[1] else { return nil }
        return PingGroupRange(low: low, high: high)
    }

    /// Whether nobody may, as with the kernel's default `1 0`.
    public var isShut: Bool { low > high }

    public func contains(_ groupID: UInt32) -> Bool { low <= groupID && groupID <= high }
}
