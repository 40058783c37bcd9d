import LinuxSockets

/// The rights of a tool's process, from its start to the point where it faces the network. Only tools call this: a
/// library never changes its host's process.
public enum ProcessRights {
    /// First thing after the command line was parsed, while there is one thread: standard descriptors open, of the
    /// permitted capabilities only those that the tool needs and the one that gives up the others for good, nothing
    /// effective, borrowed user and group ids given back.
    ///
    /// Throws what the kernel refuses.
    public static func reduce(to needed: CapabilitySet) throws(Errno) {
        try ensureStandardDescriptors()
        try Capabilities.keepOnly(needed.union(.setCapabilities))
        try Privileges.giveUpBorrowedIDs()
    }

    /// After the sockets are open and before anything of the network is read: everything goes for ever, and it is
    /// verified that a raw socket is refused now.
    ///
    /// Throws when a right is left.
    public static func dropAll() throws(Errno) {
        try Capabilities.dropAll()
        guard Capabilities.verifyDropped() else { throw .notPermitted }
    }
}
