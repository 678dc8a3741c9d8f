// Givens rotations of a row into the factor [R z], which a lane owns by columns: in the state, or settled with the ridge
// in the activations. The row and the diagonals cross lanes in shared memory.
shared float row[kSpan];           // that is being rotated in
shared float diagonal[2 * kWidth]; // of R, and of the settled one

float get(bool is_settled, uint at) { return is_settled ? activation_floats[settled_base + at] : load(kStateArena, factor_base + at); }

void put(bool is_settled, uint at, float value)
{
    if (is_settled)
        activation_floats[settled_base + at] = value;
    else
        store(kStateArena, factor_base + at, value);
}

// The first column from `least` on that this lane owns.
uint first_own(uint least)
{
    uint lane = gl_LocalInvocationID.x;
    return lane < least ? lane + (least - lane + 63) / 64 * 64 : lane;
}

// Rotates the shared row, from column `from` on, into the factor, which is scaled first.
void rotate_in(bool is_settled, uint from, float scale)
{
    uint lane = gl_LocalInvocationID.x;
    uint offset = is_settled ? kWidth : 0;
    for (uint i = from; i < p.width; ++i) {
        barrier();
        float a = scale * diagonal[offset + i];
        float b = row[i];
        barrier(); // all have read
        float largest = max(abs(a), abs(b));
        bool turns = largest > 0.0 && (b != 0.0 || scale != 1.0);
        float unit = turns ? largest : 1.0; // squares that overflow nowhere
        float length = unit * sqrt((a / unit) * (a / unit) + (b / unit) * (b / unit));
        float c = turns ? a / length : 1.0;
        float s = turns ? b / length : 0.0;
        for (uint j = turns ? first_own(i) : kSpan; j < kSpan; j += 64) {
            float old = scale * get(is_settled, i * kSpan + j);
            float w = row[j];
            put(is_settled, i * kSpan + j, j == i ? length : fma(c, old, s * w));
            row[j] = j == i ? 0.0 : fma(c, w, -s * old);
        }
        if (lane == 0 && turns) diagonal[offset + i] = length;
    }
    barrier();
}

// R and z of what was there before: Cholesky, where a direction that G does not have stays 0.
void start(uint at)
{
    uint lane = gl_LocalInvocationID.x;
    for (uint j = lane; j < kSpan; j += 64) {
        for (uint i = 0; i < p.width; ++i) {
            float entry = 0.0;
            if (kStart == 2) {
                entry = j < p.width ? load(kStateArena, p.initial_g + (at * p.width + i) * p.width + j)
                                    : load(kStateArena, p.initial_s + (at * p.width + i) * p.columns + j - p.width);
            }
            put(false, i * kSpan + j, i > j ? 0.0 : entry);
        }
    }
    for (uint i = 0; kStart == 2 && i < p.width; ++i) {
        barrier();
        for (uint j = lane; j < p.width; j += 64) row[j] = j < i ? 0.0 : get(false, i * kSpan + j);
        barrier();
        float entry = load(kStateArena, p.initial_g + (at * p.width + i) * p.width + i);
        float pivot = row[i] > kBound * entry ? sqrt(row[i]) : 0.0;
        for (uint j = first_own(i); j < kSpan; j += 64) {
            float mine = pivot > 0.0 ? get(false, i * kSpan + j) / pivot : 0.0;
            put(false, i * kSpan + j, mine);
            for (uint below = i + 1; below < p.width && pivot > 0.0; ++below) {
                if (j >= below) put(false, below * kSpan + j, fma(-row[below] / pivot, mine, get(false, below * kSpan + j)));
            }
        }
    }
}

void load_diagonal(bool is_settled)
{
    barrier();
    for (uint i = gl_LocalInvocationID.x; i < p.width; i += 64) {
        diagonal[(is_settled ? kWidth : 0) + i] = get(is_settled, i * kSpan + i);
    }
}
