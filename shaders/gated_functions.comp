#version 450
#extension GL_GOOGLE_include_directive : require
// Which Boolean functions gated units compute. A workgroup owns a gate and the set, a bit a function, of what the units
// compute under it; then it counts the set and adds it to the union. Truth tables are the bits of numbers.
#include "common/storage.glsl"
#include "gated_functions.h"

layout(local_size_x = 64) in;
layout(set = 0, binding = 2, std430) buffer ActivationWords { uint activation_words[]; };
layout(push_constant) uniform Push { GatedFunctionsParameters p; };

const uint kSetWords = 2048; // of 4 inputs: 2^16 functions
const uint kOne = 0x3f800000; // the bits of 1.0
shared uint members[kSetWords];
shared uint sizes[64];

// Words have one owner each, and an integer or commutes: no order shows.
uint count_and_join(uint lane)
{
    uint count = 0;
    for (uint word = lane; word < kSetWords; word += 64) {
        uint left = members[word];
        count += bitCount(left);
        while (left != 0) {
            uint bit = findLSB(left);
            left &= left - 1;
            atomicOr(activation_words[p.reached + 32 * word + bit], kOne);
        }
    }
    return count;
}

void main()
{
    uint lane = gl_LocalInvocationID.x;
    uint gate = uint(activation_floats[p.gates + gl_WorkGroupID.x]);
    for (uint word = lane; word < kSetWords; word += 64) members[word] = 0;
    barrier();
    for (uint unit = lane; unit < p.unit_count; unit += 64) {
        uint on = uint(activation_floats[p.on + unit]);
        uint off = uint(activation_floats[p.off + unit]);
        uint f = ((gate & on) | (~gate & off)) & (p.functions - 1);
        atomicOr(members[f / 32], 1u << (f % 32));
    }
    barrier();
    sizes[lane] = count_and_join(lane);
    barrier();
    if (lane == 0) {
        uint total = 0;
        for (uint i = 0; i < 64; ++i) total += sizes[i];
        activation_floats[p.counts + gl_WorkGroupID.x] = float(total);
    }
}
