import PacketFormats

extension ICMPExtensionObject {
    /// The object as traceroute shows it: MPLS by its fields, what it does not know as class, C-type and hexadecimal
    /// digits. Interface information, which traceroute does not know, is shown by its fields too.
    func text(_ zones: [UInt32: SafeText]) -> String {
        switch self {
        case .mpls(let labels):
            return "MPLS:"
                + labels.map {
                    "L=\($0.label),E=\($0.trafficClass),S=\($0.isBottomOfStack ? 1 : 0),T=\($0.timeToLive)"
                }.joined(separator: "/")
        case .interface(let information):
            var fields = ["R=\(information.role.word)"]
            if let index = information.index { fields.append("I=\(index)") }
            if let address = information.address { fields.append("A=\(address.text(zones))") }
            if let name = information.name { fields.append("N=\(SafeText(name))") }
            if let mtu = information.mtu { fields.append("M=\(mtu)") }
            return "INTERFACE:" + fields.joined(separator: ",")
        case .unknown(let classNumber, let cType, let payload):
            return "\(classNumber)/\(cType):\(hexadecimal(payload))"
        }
    }
}

extension InterfaceInformation.Role {
    /// What the interface was to the packet, in a word of the reports.
    var word: String {
        switch self {
        case .incoming: "incoming"
        case .incomingComponent: "incoming_component"
        case .outgoing: "outgoing"
        case .nextHop: "next_hop"
        }
    }
}

extension TCPHeader.Flags {
    /// The flags that are set, from the lowest bit on.
    var names: [String] {
        ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"].enumerated()
            .filter { rawValue >> UInt8($0.offset) & 1 != 0 }.map(\.element)
    }
}

/// Two lower-case digits per octet.
func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.reduce(into: "") { text, byte in
        if byte < 16 { text += "0" }
        text += String(byte, radix: 16)
    }
}
