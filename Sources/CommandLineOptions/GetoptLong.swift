import CLinuxSockets
import Glibc

/// One run of `getopt_long` over an argument vector. The corresponding C function is `getopt_long`.
///
/// glibc does what users know: clusters, glued values, `--name=value`, unique beginnings of long names, operands among
/// the options, `--`. Its messages are off; the caller makes them from `Refusal`.
struct GetoptLong {
    /// One use of an option, by its code: the byte of a letter, or `firstCode` and the index of a long name's option.
    struct Occurrence {
        var code: Int32
        var value: String?
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
    private(set) var options: [Occurrence] = []
    private(set) var refusal: Refusal?
    /// What is left; empty after a refusal.
    private(set) var operands: [String] = []

    /// Parses `arguments`, which don't hold the program's name; a NUL in one ends it, as in any argument vector.
    ///
    /// All names of one option have one code: they are never ambiguous among themselves.
    init(_ arguments: [String], _ descriptions: [OptionDescription], stopsAtOperand: Bool) {
        var text: [UInt8] = []
        text.reserveCapacity(2_048)
        // The plus sign stops at the first operand, the colon tells a missing value from an unknown option.
        if stopsAtOperand { text.append(UInt8(ascii: "+")) }
        text.append(UInt8(ascii: ":"))
        for option in descriptions {
            for letter in option.letters {
                text.append(letter)
                for _ in 0..<option.argument.code { text.append(UInt8(ascii: ":")) }
            }
        }
        text.append(0)
        var nameCount = 0
        for option in descriptions {
            for name in option.names {
                nameCount += 1
                text.append(contentsOf: name.utf8)
                text.append(0)
            }
        }
        // The first argument is the program's name, which nobody reads: an empty string.
        text.append(0)
        for argument in arguments {
            for byte in argument.utf8 {
                guard byte != 0 else { break }
                text.append(byte)
            }
            text.append(0)
        }
        let count = arguments.count + 1

        // Every pointer below is into `text`, which neither moves nor goes away within the closure and holds one
        // terminated string after the other: the letters, the names, the arguments. The vectors have the NULL at
        // their end that getopt_long wants, and it writes only to the vector of arguments. Temporary allocations and
        // not arrays: the first use of an array's type costs as much as the rest of the parse.
        unsafe text.withUnsafeMutableBytes { buffer in
            guard let base = unsafe buffer.bindMemory(to: CChar.self).baseAddress else { return }
            unsafe withUnsafeTemporaryAllocation(of: np_long_option.self, capacity: nameCount + 1) { table in
                unsafe withUnsafeTemporaryAllocation(
                    of: UnsafeMutablePointer<CChar>?.self, capacity: count + 1
                ) { vector in
                    var next = unsafe base + strlen(base) + 1
                    var index = 0
                    var code = Self.firstCode
                    for option in descriptions {
                        for _ in option.names {
                            unsafe table.initializeElement(
                                at: index,
                                to: np_long_option(
                                    name: UnsafePointer(next), argument: option.argument.code, flag: nil, code: code))
                            unsafe next += strlen(next) + 1
                            index += 1
                        }
                        code += 1
                    }
                    unsafe table.initializeElement(
                        at: index, to: np_long_option(name: nil, argument: 0, flag: nil, code: 0))
                    for index in 0..<count {
                        unsafe vector.initializeElement(at: index, to: next)
                        unsafe next += strlen(next) + 1
                    }
                    unsafe vector.initializeElement(at: count, to: nil)
                    guard let arguments = vector.baseAddress, let options = table.baseAddress else { return }
                    unsafe run(Int32(truncatingIfNeeded: count), arguments, UnsafePointer(base), UnsafePointer(options))
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
                options.append(Occurrence(code: unsafe step.code, value: value))
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

extension OptionArgument {
    /// The number of colons in an option string, and `has_arg` of `struct option`.
    fileprivate var code: Int32 {
        switch self {
        case .none: 0
        case .required: 1
        case .optional: 2
        }
    }
}
