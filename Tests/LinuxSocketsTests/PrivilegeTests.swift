import Glibc
import LinuxSockets
import TestSupport
import Testing

@Suite struct PrivilegeTests {
    @Test func setsHaveNames() {
        #expect(CapabilitySet([]).description == "none")
        #expect(CapabilitySet.netRaw.description == "cap_net_raw")
        #expect(CapabilitySet([.netAdmin, .netRaw]).description == "cap_net_admin,cap_net_raw")
        #expect(CapabilitySet(rawValue: 1 << 63).description == "63")
    }

    @Test func privilegesAreExplained() throws {
        let now = try Privileges.current()
        #expect(now.userID == getuid())
        #expect(now.description.hasPrefix("uid \(getuid())"))
        #expect(now.description.contains("permitted \(now.capabilities.permitted)"))
    }

    @Test(arguments: [(UInt32(1), UInt32(0), true, false), (0, 0, false, true), (0, 4_294_967_294, false, true)])
    func pingGroupRange(_ low: UInt32, _ high: UInt32, _ isShut: Bool, _ containsRoot: Bool) {
        let range = PingGroupRange(low: low, high: high)
        #expect(range.isShut == isShut)
        #expect(range.contains(0) == containsRoot)
    }

    @Test(.enabled(if: isRoot, "needs root to have capabilities"))
    func keepOneAndRaiseIt() throws {
        let seen = try onThread { () throws(Errno) -> [Capabilities] in
            try Capabilities.keepOnly(.netRaw)
            let kept = try Capabilities.current()
            let raised = try Capabilities.withRaised([.netRaw, .netAdmin]) { () throws(Errno) in
                _ = try Socket(family: .inet, type: .raw, protocol: .icmp)
                return try Capabilities.current()
            }
            let lowered = try Capabilities.current()
            try Capabilities.raise(.netRaw)
            try Capabilities.lower([.netRaw, .netBindService])
            return [kept, raised, lowered, try Capabilities.current()]
        }
        let kept = Capabilities(permitted: .netRaw)
        #expect(seen == [kept, Capabilities(permitted: .netRaw, effective: .netRaw), kept, kept])
    }

    @Test(.enabled(if: isRoot, "needs root to have capabilities"))
    func whatIsGivenUpIsGone() throws {
        let failure = onThread { () -> Errno? in
            do throws(Errno) {
                try Capabilities.keepOnly(.netBindService)
                let raised = try Capabilities.raise([.netRaw, .netBindService])
                guard raised == .netBindService else { return .protocolError }
                try Capabilities(permitted: .netRaw).apply()
                return nil
            } catch {
                return error
            }
        }
        #expect(failure == .notPermitted)
        let socket = onThread { () -> Errno? in
            do throws(Errno) {
                try Capabilities.keepOnly([])
                _ = try Socket(family: .inet6, type: .raw, protocol: .icmpv6)
                return nil
            } catch {
                return error
            }
        }
        #expect(socket == .notPermitted)
    }

    @Test(.enabled(if: isRoot, "needs root to have something to drop"))
    func everythingIsDropped() async {
        await #expect(processExitsWith: .success) {
            let raw = try Socket(family: .inet, type: .raw, protocol: .icmp)
            guard !Capabilities.verifyDropped() else { exit(2) }
            try Capabilities.dropAll()
            try Capabilities.dropAll()
            let now = try Privileges.current()
            guard Capabilities.verifyDropped(), now.capabilities.isEmpty, now.bounding.isEmpty, now.noNewPrivileges,
                now.description.hasSuffix("no_new_privs")
            else { exit(3) }
            // What was open stays usable.
            try raw.send(try echoRequest(.v4, identifier: 1), to: SocketAddress(loopbackV4))
            // Nothing that is started gets a right back.
            let status = try run(["cat", "/proc/self/status"]).output
            guard status.contains("CapPrm:\t0000000000000000"), status.contains("NoNewPrivs:\t1") else { exit(4) }
        }
    }

    @Test(.enabled(if: isRoot, "needs root to play a set-user-ID program"))
    func borrowedIDsAreGivenBack() async {
        await #expect(processExitsWith: .success) {
            // As a program of root with the set-user-ID and set-group-ID bits finds itself.
            guard setregid(65_534, 0) == 0, setreuid(65_534, 0) == 0, Privileges.hasBorrowedIDs else { exit(2) }
            try Capabilities.keepOnly(.netRaw)
            try Privileges.giveUpBorrowedIDs()
            let now = try Privileges.current()
            guard now.userID == 65_534, now.effectiveUserID == 65_534, now.effectiveGroupID == 65_534,
                !Privileges.hasBorrowedIDs, now.capabilities == Capabilities(permitted: .netRaw)
            else { exit(3) }
            guard seteuid(0) != 0, setuid(0) != 0 else { exit(4) }
            try Capabilities.withRaised(.netRaw) { () throws(Errno) in
                _ = try Socket(family: .inet, type: .raw, protocol: .icmp)
            }
            try Capabilities.dropAll()
            guard Capabilities.verifyDropped() else { exit(5) }
        }
    }
}
