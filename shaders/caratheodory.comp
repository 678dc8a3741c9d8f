#version 450
#extension GL_GOOGLE_include_directive : require
// An exact answer with at most E + 1 keys: Caratheodory's theorem, key by key. A problem a workgroup.
//
// The basis holds P = E + 1 columns a_n = [(v_n - o) / scale, 1] whose weighted sum is that of the keys so far; at first
// they are unit vectors of weight 0. A new key's weight is moved onto the basis as far as no weight turns negative; if some
// of it is left, the key takes the place of the one that stopped it. `inverse` is that of the basis.
#include "common/value_aware.glsl"

layout(local_size_x = 64) in;
layout(constant_id = 0) const uint kIsFirst = 1; // start from the empty basis
layout(constant_id = 1) const uint kIsLast = 1;  // correct the weights by what is left of the sum

const uint kMost = 257;
shared float a[kMost];      // the new column, and later what is left of the sum
shared float c[kMost];      // its coordinates in the basis
shared float parts[64];
shared uint places[64];

uint b, lane, size;

uint at(uint i, uint k) { return p.inverse + (b * size + i) * size + k; }

// The lane-parallel search for the least value and its place, ties to the lower place; in every lane.
float least(float value, uint place, out uint found)
{
    barrier();
    parts[lane] = value;
    places[lane] = place;
    for (uint stride = 32; stride > 0; stride /= 2) {
        barrier();
        if (lane < stride) {
            float other = parts[lane + stride];
            bool is_less = other < parts[lane] || (other == parts[lane] && places[lane + stride] < places[lane]);
            if (is_less) {
                parts[lane] = other;
                places[lane] = places[lane + stride];
            }
        }
    }
    barrier();
    found = places[0];
    return parts[0];
}

// The weights' arena holds [B, S] with S = P slots; the largest offset of all keys is `scores[0]` of the problem.
float scale_of() { return activation_floats[p.scores + b * p.keys]; }

void find_scale()
{
    float most = 0.0;
    for (uint n = lane; n < p.keys; n += 64) {
        for (uint e = 0; e < p.columns; ++e) most = max(most, abs(offset_of(b, n, e)));
    }
    uint ignored;
    most = -least(-most, 0, ignored);
    if (lane == 0) activation_floats[p.scores + b * p.keys] = most > 0.0 ? most : 1.0;
    for (uint i = lane; i < size; i += 64) {
        for (uint k = 0; k < size; ++k) activation_floats[at(i, k)] = i == k ? 1.0 : 0.0;
        activation_floats[p.support + b * p.slots + i] = -1.0;
        set_weight(b, i, 0.0);
    }
    memoryBarrierBuffer();
    barrier();
}

void find_coordinates()
{
    for (uint i = lane; i < size; i += 64) {
        float sum = 0.0;
        for (uint k = 0; k < size; ++k) sum = fma(activation_floats[at(i, k)], a[k], sum);
        c[i] = sum;
    }
    memoryBarrierShared();
    barrier();
}

void enter(uint n, uint leaves, float weight)
{
    float pivot = c[leaves];
    for (uint k = lane; k < size; k += 64) activation_floats[at(leaves, k)] /= pivot;
    memoryBarrierBuffer();
    barrier();
    for (uint i = lane; i < size; i += 64) {
        if (i == leaves) {
            activation_floats[p.support + b * p.slots + i] = float(n);
            set_weight(b, i, weight);
            continue;
        }
        for (uint k = 0; k < size; ++k) {
            activation_floats[at(i, k)] = fma(-c[i], activation_floats[at(leaves, k)], activation_floats[at(i, k)]);
        }
    }
}

void take(uint n, float scale)
{
    float weight = activation_floats[p.p + b * p.keys + n];
    barrier();
    for (uint k = lane; k < size; k += 64) a[k] = k < p.columns ? offset_of(b, n, k) / scale : 1.0;
    barrier();
    find_coordinates();
    float most = 0.0, free = 0.0, stop = 3.4e38;
    uint free_place = 0, stop_place = 0;
    for (uint i = lane; i < size; i += 64) {
        most = max(most, abs(c[i]));
        bool is_free = key_at(b, i) < 0.0;
        if (is_free && abs(c[i]) > free) {
            free = abs(c[i]);
            free_place = i;
        }
        if (!is_free && c[i] < -1.0e-6) {
            float ratio = weight_at(b, i) / -c[i];
            if (ratio < stop) {
                stop = ratio;
                stop_place = i;
            }
        }
    }
    uint ignored, place;
    most = -least(-most, 0, ignored);
    free = -least(-free, free_place, place);
    stop = least(stop, stop_place, stop_place);
    if (weight > 0.0 && free > 1.0e-4 * most) {
        enter(n, place, weight);
    } else if (weight > 0.0) {
        float moved = min(stop, weight);
        for (uint i = lane; i < size; i += 64) {
            if (key_at(b, i) >= 0.0) set_weight(b, i, max(fma(moved, c[i], weight_at(b, i)), 0.0));
        }
        memoryBarrierBuffer();
        barrier();
        if (stop < weight) enter(n, stop_place, weight - stop);
    }
    memoryBarrierBuffer();
    barrier();
}

// What the weights leave of the sum [0, 1] goes back onto the basis.
void correct(float scale)
{
    barrier();
    for (uint k = lane; k < size; k += 64) {
        float sum = 0.0;
        for (uint i = 0; i < size; ++i) {
            float key = key_at(b, i);
            if (key < 0.0) continue;
            sum = fma(weight_at(b, i), k < p.columns ? offset_of(b, uint(key), k) / scale : 1.0, sum);
        }
        a[k] = k < p.columns ? -sum : 1.0 - sum;
    }
    barrier();
    find_coordinates();
    for (uint i = lane; i < size; i += 64) {
        if (key_at(b, i) >= 0.0) set_weight(b, i, max(weight_at(b, i) + c[i], 0.0));
    }
    memoryBarrierBuffer();
    barrier();
}

void main()
{
    lane = gl_LocalInvocationID.x;
    b = gl_WorkGroupID.x;
    size = p.columns + 1;
    if (kIsFirst == 1) find_scale();
    float scale = scale_of();
    for (uint i = 0; i < p.count; ++i) take(p.first + i, scale);
    if (kIsLast == 1) {
        correct(scale);
        correct(scale);
    }
}
