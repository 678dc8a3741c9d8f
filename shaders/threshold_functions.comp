#version 450
#extension GL_GOOGLE_include_directive : require
// Which Boolean functions are signs of polynomials: those that agree with no circuit. An invocation owns a function,
// its truth table the bits of its number, and compares all points with a circuit at once.
#include "common/storage.glsl"
#include "threshold_functions.h"

layout(local_size_x = 64) in;
layout(push_constant) uniform Push { ThresholdFunctionsParameters p; };

void main()
{
    uint f = gl_GlobalInvocationID.x;
    bool agrees = false;
    for (uint c = 0; c < p.circuit_count; ++c) {
        uint above = uint(weight_floats[p.circuits + 2 * c]);
        uint below = uint(weight_floats[p.circuits + 2 * c + 1]);
        agrees = agrees || ((f & above) == above && (f & below) == 0);
    }
    if (f < p.functions) activation_floats[p.realised + f] = agrees ? 0.0 : 1.0;
}
