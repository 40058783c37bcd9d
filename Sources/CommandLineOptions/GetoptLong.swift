import CLinuxSockets

/// One run of `getopt_long` over an argument vector. The corresponding C function is `getopt_long`.
///
/// glibc does what users know: clusters, glued values, `--name=value`, unique beginnings of long names, operands among
/// the options, `--`. Its messages are off; the caller makes them from `Refusal`.
struct GetoptLong {
    /// A long name and the code that it stands for; names that share a code are never ambiguous among themselves.
    struct Name {
        var text: String
        /// 0 for no value, 1 for a required and 2 for an optional one, as in `struct option`.
        var argument: Int32
        var code: Int32
    }

    enum Refusal {
        case unknownLetter(UInt8)
        /// Unknown or ambiguous: the argument as it was typed.
        case unknownName(String)
        /// The code of an option that lacks its value.
        case missingValue(code: Int32)
        /// The code of an option that got `=value` and takes none.
        case unexpectedValue(code: Int32)
    }

    /// The options before the first refusal, in order.
    private(set) var options: [(code: Int32, value: String?)] = []
    private(set) var refusal: Refusal?
    /// What is left; empty after a refusal.
    private(set) var operands: [String] = []

    /// Parses `arguments`, which don't hold the program's name; a NUL in one ends it, as in any argument vector.
    ///
    /// `letters` is the option string of getopt(3), beginning with a colon (after a `+`).
    init(_ arguments: [String], letters: [UInt8], names: [Name]) {
        var text: [CChar] = []
        var starts: [Int] = []
        func store(_ bytes: some Sequence<UInt8>) {
            starts.append(text.count)
            text.append(contentsOf: bytes.lazy.map { CChar(bitPattern: $0) })
            text.append(0)
        }
        store(letters)
        for name in names { store(name.text.utf8) }
        store([])
        for argument in arguments { store(argument.utf8) }
        let firstArgument = 1 + names.count
        let count = Int32(truncatingIfNeeded: starts.count - firstArgument)

        // Every pointer below is into `text`, which neither moves nor goes away within the closure; the vectors end
        // with the NULL that getopt_long wants, and it writes only to the vector of arguments.
        unsafe text.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            var vector: [UnsafeMutablePointer<CChar>?] = unsafe []
            unsafe vector.reserveCapacity(starts.count - firstArgument + 1)
            for start in starts[firstArgument...] { unsafe vector.append(base + start) }
            unsafe vector.append(nil)
            var table: [np_long_option] = unsafe []
            unsafe table.reserveCapacity(names.count + 1)
            for (index, name) in names.enumerated() {
                unsafe table.append(
                    np_long_option(
                        name: UnsafePointer(base + starts[1 + index]), argument: name.argument, flag: nil,
                        code: name.code))
            }
            unsafe table.append(np_long_option(name: nil, argument: 0, flag: nil, code: 0))
            unsafe vector.withUnsafeMutableBufferPointer { vector in
                unsafe table.withUnsafeBufferPointer { table in
                    guard let arguments = vector.baseAddress, let options = table.baseAddress else { return }
                    unsafe run(count, arguments, UnsafePointer(base + starts[0]), options)
                }
            }
        }
    }

    private mutating func run(
        _ count: Int32, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>,
        _ letters: UnsafePointer<CChar>, _ table: UnsafePointer<np_long_option>
    ) {
        np_getopt_begin()
        defer { np_getopt_end() }
        while true {
            let step = unsafe np_getopt_next(count, arguments, letters, table)
            switch unsafe step.code {
            case -1:
                var index = unsafe Int(step.next_index)
                while index < Int(count) {
                    if let operand = unsafe arguments[index] { operands.append(unsafe String(cString: operand)) }
                    index += 1
                }
                return
            case Int32(UInt8(ascii: ":")):
                refusal = unsafe .missingValue(code: step.refused)
                return
            case Int32(UInt8(ascii: "?")):
                refusal = unsafe refused(
                    step.refused, behind: step.next_index > 0 ? arguments[Int(step.next_index) - 1] : nil)
                return
            default:
                var value: String?
                if let text = unsafe step.value { value = unsafe String(cString: text) }
                options.append((unsafe step.code, value))
            }
        }
    }

    /// What '?' means: glibc leaves 0 for a long name it does not know, the code for one that takes no value, and else
    /// the letter as a `char`, which is negative outside ASCII.
    private func refused(_ code: Int32, behind argument: UnsafeMutablePointer<CChar>?) -> Refusal {
        if code >= Self.firstCode { return .unexpectedValue(code: code) }
        if code == 0 { return .unknownName(unsafe argument.map { unsafe String(cString: $0) } ?? "") }
        return .unknownLetter(UInt8(truncatingIfNeeded: code))
    }

    /// Codes of long names begin here, above every letter.
    static let firstCode: Int32 = 256
}
