import ProbeEngine
import SimulatedNetwork
import Testing

@Suite struct SipHashTests {
    /// The vectors that come with the authors' reference code for key and input 00 01 02 …, by length of the input; the
    /// last one is worked through in the paper's appendix A.
    private static let vectors: [UInt64] = [
        0x726f_db47_dd0e_0e31, 0x74f8_39c5_93dc_67fd, 0x0d6c_8009_d9a9_4f5a, 0x8567_6696_d7fb_7e2d,
        0xcf27_94e0_2771_87b7, 0x1876_5564_cd99_a68d, 0xcbc9_466e_58fe_e3ce, 0xab02_00f5_8b01_d137,
        0x93f5_f579_9a93_2462, 0x9e00_82df_0ba9_e4b0, 0x7a5d_bbc5_94dd_b9f3, 0xf4b3_2f46_226b_ada7,
        0x751e_8fbc_860e_e5fb, 0x14ea_5627_c084_3d90, 0xf723_ca90_8e7a_f2ee, 0xa129_ca61_49be_45e5,
    ]

    @Test("The hash of the first octets of 00 01 02 …", arguments: 0..<16)
    func vector(length: Int) {
        #expect(Ours.cookies.hash(Array(0..<UInt8(length))) == Self.vectors[length])
    }

    @Test func aWordIsItsEightOctets() {
        #expect(Ours.cookies.hash(0x0706_0504_0302_0100) == Self.vectors[8])
    }

    @Test("Both ways to hash agree, and both halves of the key matter")
    func agreement() {
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<100 {
            let (k0, k1, word) = (generator.next(), generator.next(), generator.next())
            let hash = SipHash(k0: k0, k1: k1)
            let octets = (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * UInt64($0))) }
            #expect(hash.hash(word) == hash.hash(octets))
            #expect(hash.hash(word) != SipHash(k0: k0 ^ 1, k1: k1).hash(word))
            #expect(hash.hash(word) != SipHash(k0: k0, k1: k1 ^ 1).hash(word))
        }
    }
}
