#version 450
#extension GL_GOOGLE_include_directive : require
// Least squares on the simplex: weights w >= 0 with sum 1 that bring w^T v nearest to the target. A problem a workgroup, a
// point a lane. Wolfe's algorithm for the point of least norm in a polytope (1976): the points of positive weight are
// kept affinely independent; the one whose direction helps most joins; the best affine combination is found by a Cholesky
// factorisation of (G + s 1 1^T), which is regular even where the target lies within reach, and points whose weight would
// turn negative leave. What decides, and a step of refinement, come from the points themselves, not from G = A A^T, so
// that an error near 0 is still an error.
//
// kIsTrial: workgroup (n, b) tries key n beside the support, whose G is known, and writes the squared error.
#include "common/value_aware.glsl"

layout(local_size_x_id = 0) in;
layout(constant_id = 0) const uint kLanes = 64; // points at most, a trial's key included
layout(constant_id = 1) const uint kIsTrial = 0;
layout(constant_id = 2) const uint kMayJoin = 1; // points of weight 0 may join; otherwise their slots are free
layout(constant_id = 3) const uint kFirst = 1;   // G is not known yet
layout(constant_id = 4) const uint kRoom = 64;   // for columns, and for lanes

shared float factor[kLanes * (kLanes + 1) / 2]; // lower triangle by rows
shared float x[kRoom];                          // A^T of the combination at hand
shared float ring[kLanes];                      // a number a point
shared float squares[1];

uint b, lane, points;
uint key;          // of this lane
bool has_point;
float actives;      // points: of positive weight

uint row(uint i) { return i * (i + 1) / 2; }
uint gram_at(uint i, uint j) { return p.gram + (b * p.slots + i) * p.slots + j; }

// Sum, or least value, over the lanes; in every lane. In the order of the lanes.
float sum_of(float value)
{
    barrier();
    ring[lane] = value;
    barrier();
    float sum = 0.0;
    for (uint i = 0; i < points; ++i) sum += ring[i];
    return sum;
}

// The lane of the least value; ties go to the first.
uint least_of(float value)
{
    barrier();
    ring[lane] = value;
    barrier();
    uint found = 0;
    for (uint i = 1; i < points; ++i) found = ring[i] < ring[found] ? i : found;
    return found;
}

float inner(uint other)
{
    float sum = 0.0;
    for (uint e = 0; e < p.columns && has_point; ++e) sum = fma(offset_of(b, key, e), offset_of(b, other, e), sum);
    return sum;
}

// A^T weights into x, and this lane's point times it. The squared length of x stays in squares[0].
float answer(float weight)
{
    barrier();
    ring[lane] = weight;
    barrier();
    for (uint e = lane; e < p.columns; e += kLanes) {
        float sum = 0.0;
        for (uint i = 0; i < points; ++i) {
            if (ring[i] == 0.0) continue;
            uint n = kIsTrial == 1 && i == points - 1 ? gl_WorkGroupID.x + p.first : uint(key_at(b, i));
            sum = fma(ring[i], offset_of(b, n, e), sum);
        }
        x[e] = sum;
    }
    barrier();
    float part = 0.0, square = 0.0;
    for (uint e = 0; e < p.columns; ++e) {
        if (has_point) part = fma(offset_of(b, key, e), x[e], part);
        square = fma(x[e], x[e], square);
    }
    if (lane == 0) squares[0] = square;
    barrier();
    return part;
}

// The factor of G + s 1 1^T over the active points; rows of the others are those of the identity. False: dependent.
// A trial's row of G, its last, lies in x.
bool factorise(bool is_active, float scale)
{
    bool is_good = true;
    barrier();
    ring[lane] = is_active ? 1.0 : 0.0;
    barrier();
    actives = 0.0;
    for (uint i = 0; i < points; ++i) actives += ring[i];
    for (uint j = 0; j < points; ++j) {
        float sum = lane == j ? 1.0 : 0.0;
        float diagonal = 1.0;
        if (is_active && ring[j] > 0.0 && lane >= j) {
            bool is_trial = kIsTrial == 1 && lane == p.slots;
            sum = scale + (is_trial ? x[j] : activation_floats[gram_at(lane, j)]);
            diagonal = sum;
            for (uint k = 0; k < j; ++k) sum = fma(-factor[row(lane) + k], factor[row(j) + k], sum);
        }
        if (lane == j) {
            // Less than what rounding leaves of a pivot that should be 0.
            bool is_lost = !(sum > 4.0 * 5.9604645e-8 * float(points) * diagonal);
            factor[row(j) + j] = sqrt(is_lost ? 1.0 : sum);
            squares[0] = is_lost ? -1.0 : 1.0;
        }
        barrier();
        is_good = is_good && squares[0] > 0.0;
        if (lane > j && lane < points) factor[row(lane) + j] = sum / factor[row(j) + j];
        barrier();
    }
    return is_good;
}

// (factor factor^T)^-1 value, a number a lane.
float solve(float value)
{
    barrier(); // a sum may still be reading the ring
    for (uint j = 0; j < points; ++j) {
        if (lane == j) ring[j] = value / factor[row(j) + j];
        barrier();
        if (lane == j) value = ring[j];
        if (lane > j && lane < points) value = fma(-factor[row(lane) + j], ring[j], value);
        barrier();
    }
    for (uint i = points; i-- > 0;) {
        if (lane == i) ring[i] = value / factor[row(i) + i];
        barrier();
        if (lane == i) value = ring[i];
        if (lane < i) value = fma(-factor[row(i) + lane], ring[i], value);
        barrier();
    }
    return value;
}

// The affine combination of the active points that is nearest to the target, refined once from the points. One text for
// both solves: drivers that run a subgroup as a vector compile for long where there are many barriers.
float best_combination(bool is_active)
{
    float value = is_active ? 1.0 : 0.0;
    float z, sum, weight;
    for (uint round = 0; round < 2; ++round) {
        float solution = solve(value);
        float total = sum_of(solution);
        if (round == 0) {
            z = solution;
            sum = total;
            weight = z / sum;
            float h = answer(weight);
            float level = sum_of(is_active ? h : 0.0) / actives;
            value = is_active ? level - h : 0.0;
        } else {
            weight += solution - total / sum * z;
        }
    }
    return is_active ? weight : 0.0;
}

void main()
{
    lane = gl_LocalInvocationID.x;
    b = gl_WorkGroupID.y;
    points = p.slots + kIsTrial;
    uint trial = p.slots; // the lane of the key that is tried
    uint tried = gl_WorkGroupID.x + p.first;
    float wanted = kIsTrial == 1 && lane == trial ? float(tried) : lane < p.slots ? key_at(b, lane) : -1.0;
    has_point = wanted >= 0.0;
    key = has_point ? uint(wanted) : 0;
    float w = lane < p.slots && has_point ? weight_at(b, lane) : 0.0;
    bool may_join = has_point && (kMayJoin == 1 || w > 0.0 || (kIsTrial == 1 && lane == trial));
    bool is_known = kIsTrial == 1 && sum_of(w > 0.0 && wanted == float(tried) ? 1.0 : 0.0) > 0.0;
    if (kIsTrial == 0 && kFirst == 1) {
        for (uint j = 0; j < points; ++j) {
            float other = key_at(b, j);
            float value = other >= 0.0 ? inner(uint(other)) : 0.0;
            if (lane < points) activation_floats[gram_at(lane, j)] = value;
        }
        memoryBarrierBuffer();
        barrier();
    }
    // A trial's row of G: by lane here, and in x while the factor is made.
    float trial_row = kIsTrial == 1 ? inner(tried) : 0.0;
    float diagonal = !has_point ? 0.0 : kIsTrial == 1 && lane == trial ? trial_row : activation_floats[gram_at(lane, lane)];
    float scale = sum_of(diagonal) / max(sum_of(has_point ? 1.0 : 0.0), 1.0);
    // Where any point may join, the nearest one starts; a weight of next to nothing marks a point that may join now.
    uint nearest = least_of(may_join ? diagonal : 3.4e38);
    if (kMayJoin == 1 && kFirst == 1) w = lane == nearest ? 1.0 : 0.0;
    bool is_active = w > 1.0e-29;
    if (!is_active) w = 0.0;
    bool is_done = is_known || scale == 0.0;

    for (uint iteration = 0; iteration <= p.count; ++iteration) {
        is_done = is_done || iteration == p.count;
        if (is_done) {
            w = max(w, 0.0);
            w /= max(sum_of(w), 1.0e-37);
        }
        float h = answer(w);
        if (is_done) break;
        float square = squares[0];
        // A lane outside the support whose point makes the sharpest angle with the way to the target joins.
        float gain = has_point && may_join && !is_active ? h - square : 0.0;
        uint best = least_of(gain);
        barrier();
        ring[lane] = gain < -2.0e-6 * sqrt(square * max(diagonal, square)) ? 1.0 : 0.0;
        barrier();
        bool joins = ring[best] > 0.0;
        is_done = !joins;
        if (joins && lane == best) is_active = true;
        for (uint inner_step = 0; inner_step < points && !is_done; ++inner_step) {
            barrier();
            if (kIsTrial == 1) x[lane] = trial_row;
            barrier();
            if (!factorise(is_active, scale)) {
                // The point that joined depends on the others: without it nothing is lost.
                if (lane == best) {
                    is_active = false;
                    may_join = false;
                    w = 0.0;
                }
                break;
            }
            float y = best_combination(is_active);
            float part = is_active && y <= 0.0 ? w / max(w - y, 1.0e-37) : 2.0;
            uint leaves = least_of(part);
            float theta = min(ring[leaves], 1.0);
            if (is_active) w += theta * (y - w);
            if (is_active && (w <= 0.0 || (theta < 1.0 && lane == leaves))) {
                w = 0.0;
                is_active = false;
            }
            if (theta >= 1.0) break;
        }
    }
    if (kIsTrial == 1) {
        if (lane == 0) activation_floats[p.scores + b * p.keys + tried] = is_known ? 3.4e38 : squares[0];
        return;
    }
    if (lane < points) set_weight(b, lane, w);
    if (lane == 0 && p.error != kNone) activation_floats[p.error + b] = sqrt(squares[0]);
}
