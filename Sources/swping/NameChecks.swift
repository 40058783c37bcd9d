import PacketFormats
import ProbeEngine
import ProbeIO
import ProbeReports

extension Options {
    /// Throws where names that are looked up again, or in both versions, don't go with another option.
    func checkNames() throws(ToolFailure) {
        if isDual, isConnected {
            throw ToolFailure("options --dual and -C exclude each other (see swping --help)")
        }
        guard resolveInterval != nil else { return }
        // A connected socket hears its first address only, and a new address was not meant when broadcasts were allowed.
        for (isGiven, letter) in [(isConnected, "-C"), (allowsBroadcast, "-b")] where isGiven {
            throw ToolFailure("options --resolve-every and \(letter) exclude each other (see swping --help)")
        }
    }

    /// Throws where an option is about names and there is none.
    func checkNames(among targets: [ResolvedHost]) throws(ToolFailure) {
        guard targets.allSatisfy(\.isNumeric) else { return }
        for (isGiven, option) in [(isDual, "--dual"), (resolveInterval != nil, "--resolve-every")] where isGiven {
            throw ToolFailure("option \(option): is for names, and each HOST is an address")
        }
    }

    /// Throws where a connected socket would be deaf to all answers.
    func checkConnection(to addresses: TargetList, _ broadcasts: [IPAddress]) throws(ToolFailure) {
        guard isConnected else { return }
        if let group = addresses.first(where: { $0.isMulticast || broadcasts.contains($0) }) {
            throw ToolFailure("option -C: others than \(group) answer for it")
        }
    }
}
