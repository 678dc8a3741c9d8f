// The inverse that recursive least squares start from: P = (G + diag(ridge) + alpha I)^-1, with the pivot rule and the
// retries of every solve. A lane owns columns of P; the row at hand crosses lanes in `image`.

// Inverts what is in P where it is diagonal, to the bits that sweeps would give; false if a pivot fails.
bool invert_diagonal()
{
    float failed = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < p.width; i += kLanes) {
        float pivot = inverse(i, i);
        if (!(pivot > kPivotBound * pivot && pivot < 3.0e38)) failed = 1.0;
        store(kStateArena, p_base + i * p.width + i, -1.0 / pivot);
    }
    return reduce(vec4(failed, 0.0, 0.0, 0.0)).x == 0.0;
}

// Inverts what is in P by sweeps in place (Gauss and Jordan, on a symmetric matrix); false if a pivot fails.
bool invert(uint at, float alpha)
{
    uint lane = gl_LocalInvocationID.x;
    bool good = true;
    for (uint k = 0; k < p.width && good; ++k) {
        barrier();
        for (uint i = lane; i < p.width; i += kLanes) image[i] = inverse(k, i);
        barrier();
        float pivot = image[k];
        float entry = given_g(at, k * p.width + k) + alpha;
        if (p.ridge != kNone) entry += load(kRidgeArena, p.ridge + head * p.width + k);
        good = pivot > kPivotBound * entry && pivot < 3.0e38;
        for (uint i = lane; i < p.width && good; i += kLanes) {
            float scaled = image[i] / pivot;
            for (uint row = 0; row < p.width; ++row) {
                float swept = fma(-image[row], scaled, inverse(row, i));
                if (row == k) swept = scaled;
                if (i == k) swept = image[row] / pivot;
                if (row == k && i == k) swept = -1.0 / pivot;
                store(kStateArena, p_base + row * p.width + i, swept);
            }
        }
    }
    return good;
}

// P = (G + diag(ridge) + alpha I)^-1 of what was there before. Gives the status.
float start(uint at)
{
    uint lane = gl_LocalInvocationID.x;
    float diagonals = 0.0;
    for (uint i = lane; i < p.width; i += kLanes) diagonals += given_g(at, i * p.width + i);
    float trace = reduce(vec4(diagonals, 0.0, 0.0, 0.0)).x;
    float alpha = p.alpha;
    uint retries = 0;
    bool good = false;
    for (uint attempt = 0; attempt < p.attempts && !good; ++attempt) {
        if (attempt > 0) alpha = max(10.0 * alpha, 1.0e-6 * (trace / float(p.width)));
        retries = attempt;
        for (uint i = lane; i < p.width; i += kLanes) {
            float added = p.ridge == kNone ? alpha : alpha + load(kRidgeArena, p.ridge + head * p.width + i);
            for (uint row = 0; row < p.width; ++row) {
                float entry = given_g(at, row * p.width + i);
                store(kStateArena, p_base + row * p.width + i, row == i ? entry + added : entry);
            }
        }
        good = p.initial_g == kNone ? invert_diagonal() : invert(at, alpha);
    }
    for (uint i = lane; i < p.width; i += kLanes) {
        for (uint row = 0; row < p.width; ++row) {
            store(kStateArena, p_base + row * p.width + i, good ? -inverse(row, i) : 0.0);
        }
    }
    for (uint row = lane; kStarts == 1 && row < kSpan; row += kLanes) {
        for (uint j = 0; j < p.width && row >= p.width; ++j) store(kStateArena, row_base(row) + j * p.columns, 0.0);
    }
    if (lane == 0) {
        store(kStateArena, record_base, alpha);
        store(kStateArena, record_base + 1, float(retries));
        store(kStateArena, record_base + 3, 1.0);
    }
    return !good ? kFailed : trace == 0.0 ? kNoData : kSolved;
}
