// Cholesky for one right-hand side, in blocks of four columns. The query is a further row of the matrix: the updates
// that make the factor L turn it into z = L^-1 q, so the forward substitution costs no pass of its own. A lane owns
// rows; the factor is stored by block column, four columns of a row as one vector, neighbouring rows side by side:
//
//     block column J holds rows 4J .. rows-1;  vector (J, i) = L[i][4J .. 4J+3]
//
// Unknowns are padded to a multiple of four by rows of the identity.
const uint kMaxRetries = 6;
const float kPivotBound = 4.0 / 16777216.0; // 4 * 2^-24: below it, rounding decides the pivot

#ifdef GRAMIAN_SHARED
shared vec4 factor[kSize];
#define FACTOR(index) factor[index]
void place_factor(uint problem) {}
void sync() { barrier(); }
#else
layout(set = 0, binding = 2, std430) coherent buffer Workspace { vec4 workspace[]; };
uint factor_base;
#define FACTOR(index) workspace[factor_base + (index)]
void place_factor(uint problem) { factor_base = p.workspace / 4 + (problem - p.first_row * p.heads) * kSize; }
void sync()
{
    memoryBarrierBuffer();
    barrier();
}
#endif
shared float pivot_bounds[4]; // of the block at hand

uint unknowns() { return (p.width + 3) / 4 * 4; }
uint at(uint block, uint row) { return block * (unknowns() + 1) - 2 * block * (block - 1) + row - 4 * block; }
float diagonal(uint row) { return row < p.width ? gram(row, row) + ridge_of(row) : 1.0; }

float entry(uint row, uint column)
{
    if (row == column) return diagonal(row);
    if (column >= p.width || (row >= p.width && row < unknowns())) return 0.0;
    return row == unknowns() ? query(column) : gram(row, column);
}

// Rows 4J.. of block column J, less what the columns before it account for.
void update_block(uint block)
{
    uint lane = gl_LocalInvocationID.x;
    if (lane < 4) pivot_bounds[lane] = kPivotBound * diagonal(4 * block + lane);
    for (uint row = 4 * block + lane; row <= unknowns(); row += 64) {
        vec4 sum = vec4(entry(row, 4 * block), entry(row, 4 * block + 1), entry(row, 4 * block + 2),
                        entry(row, 4 * block + 3));
        for (uint before = 0; before < block; ++before) {
            vec4 l = FACTOR(at(before, row));
            uint top = at(before, 4 * block);
            sum -= vec4(dot(l, FACTOR(top)), dot(l, FACTOR(top + 1)), dot(l, FACTOR(top + 2)), dot(l, FACTOR(top + 3)));
        }
        FACTOR(at(block, row)) = sum;
    }
}

bool is_pivot(float pivot, uint row)
{
    if (row < p.width) min_pivot = min(min_pivot, pivot);
    return pivot > pivot_bounds[row % 4] && pivot < 3.0e38; // false for NaN
}

// Factors the 4 x 4 block on the diagonal, in every lane alike, and divides the rows below it by it.
bool factor_block(uint block)
{
    uint row_0 = 4 * block;
    vec4 d0 = FACTOR(at(block, row_0));
    vec4 d1 = FACTOR(at(block, row_0 + 1));
    vec4 d2 = FACTOR(at(block, row_0 + 2));
    vec4 d3 = FACTOR(at(block, row_0 + 3));
    sync(); // all have read; now rows may be overwritten
    bool good = is_pivot(d0.x, row_0);
    float l00 = sqrt(d0.x);
    float l10 = d1.x / l00;
    float l20 = d2.x / l00;
    float l30 = d3.x / l00;
    float pivot1 = d1.y - l10 * l10;
    good = is_pivot(pivot1, row_0 + 1) && good;
    float l11 = sqrt(pivot1);
    float l21 = (d2.y - l20 * l10) / l11;
    float l31 = (d3.y - l30 * l10) / l11;
    float pivot2 = d2.z - l20 * l20 - l21 * l21;
    good = is_pivot(pivot2, row_0 + 2) && good;
    float l22 = sqrt(pivot2);
    float l32 = (d3.z - l30 * l20 - l31 * l21) / l22;
    float pivot3 = d3.w - l30 * l30 - l31 * l31 - l32 * l32;
    good = is_pivot(pivot3, row_0 + 3) && good;
    float l33 = sqrt(pivot3);
    for (uint row = row_0 + gl_LocalInvocationID.x; row <= unknowns(); row += 64) {
        vec4 l = FACTOR(at(block, row));
        l.x /= l00;
        l.y = (l.y - l.x * l10) / l11;
        l.z = (l.z - l.x * l20 - l.y * l21) / l22;
        l.w = (l.w - l.x * l30 - l.y * l31 - l.z * l32) / l33;
        if (row == row_0) l = vec4(l00, 0.0, 0.0, 0.0);
        if (row == row_0 + 1) l = vec4(l10, l11, 0.0, 0.0);
        if (row == row_0 + 2) l = vec4(l20, l21, l22, 0.0);
        if (row == row_0 + 3) l = vec4(l30, l31, l32, l33);
        FACTOR(at(block, row)) = l;
    }
    return good;
}

bool factorize()
{
    bool good = true;
    min_pivot = 3.4e38;
    for (uint block = 0; block < unknowns() / 4 && good; ++block) {
        update_block(block);
        sync();
        good = factor_block(block);
        sync();
    }
    return good;
}

float variance_of_factor;

// |z|^2 = q^T A^-1 q, before x takes the place of z.
void sum_variance()
{
    float part = 0.0;
    for (uint block = gl_LocalInvocationID.x; block < unknowns() / 4; block += 64) {
        vec4 z = FACTOR(at(block, unknowns()));
        part += dot(z, z);
    }
    variance_of_factor = reduce_sum(part);
}
float solved_variance() { return variance_of_factor; }

// L^T x = z, from the last block of unknowns to the first; x takes the place of z.
void substitute_back()
{
    for (uint block = unknowns() / 4; block-- > 0;) {
        uint top = at(block, 4 * block);
        vec4 l1 = FACTOR(top + 1);
        vec4 l2 = FACTOR(top + 2);
        vec4 l3 = FACTOR(top + 3);
        vec4 x = FACTOR(at(block, unknowns()));
        x.w /= l3.w;
        x.z = (x.z - l3.z * x.w) / l2.z;
        x.y = (x.y - l2.y * x.z - l3.y * x.w) / l1.y;
        x.x = (x.x - l1.x * x.y - l2.x * x.z - l3.x * x.w) / FACTOR(top).x;
        sync(); // all have read z
        for (uint before = gl_LocalInvocationID.x; before < block; before += 64) {
            uint from = at(before, 4 * block);
            FACTOR(at(before, unknowns())) -= FACTOR(from) * x.x + FACTOR(from + 1) * x.y + FACTOR(from + 2) * x.z +
                                              FACTOR(from + 3) * x.w;
        }
        if (gl_LocalInvocationID.x == 0) FACTOR(at(block, unknowns())) = x;
        sync();
    }
}

float solution(uint row) { return FACTOR(at(row / 4, unknowns()))[row % 4]; }

// Factors, with a larger ridge where a pivot fails, and substitutes.
bool solve_query()
{
    bool good = false;
    bool going = true;
    while (going) {
        good = factorize();
        going = !good && retries < kMaxRetries;
        if (going) {
            alpha = max(10.0 * alpha, 1.0e-6 * mean);
            ++retries;
        }
    }
    if (good) {
        sum_variance();
        substitute_back();
    }
    return good;
}
