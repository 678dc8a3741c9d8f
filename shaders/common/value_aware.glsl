// What the kernels of value-aware sparse attention share.
#include "common/storage.glsl"
#include "value_aware.h"

layout(push_constant) uniform Push { ValueAwareParameters p; };

float weight_at(uint b, uint slot) { return activation_floats[p.weights + b * p.slots + slot]; }
void set_weight(uint b, uint slot, float w) { activation_floats[p.weights + b * p.slots + slot] = w; }

// The number of the key in a slot; negative where there is none.
float key_at(uint b, uint slot)
{
    return p.support == kNone ? float(slot) : activation_floats[p.support + b * p.slots + slot];
}

// Element e of key n, relative to the target: the zero vector is what weights have to reach.
float offset_of(uint b, uint n, uint e)
{
    return activation_floats[p.v + (b * p.keys + n) * p.columns + e] - activation_floats[p.target + b * p.columns + e];
}
