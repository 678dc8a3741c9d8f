// Conjugate gradients for one right-hand side. A lane owns rows; only the direction crosses lanes. kMethod 0 runs until
// the residual is gone, preconditioned by the diagonal. 1 and 2 are those of the published Mesa layer: no
// preconditioner, exactly p.iterations rounds, and 1e-5 added to each denominator, which moves the answer.
const float kGuard = 1.0e-5;
const float kConverged = 1.0e-14; // of the first squared residual, in the norm of the preconditioner
shared float solved[kSize];
shared float rest[kSize]; // the residual
shared float direction[kSize];
shared float image[kSize]; // of the direction

float variance_of_query;
float query_scale; // conjugate gradients square the query: a tiny one would vanish

void place_factor(uint problem) {}
float solution(uint row) { return solved[row]; }
float solved_variance() { return variance_of_query; }
float diagonal(uint row) { return gram(row, row) + ridge_of(row); }

// A row without a diagonal is a key channel that nothing excites: it stays 0. Relative to the mean, so that no product
// leaves the range of a float before G does.
float preconditioned(uint row)
{
    if (kMethod != 0) return rest[row];
    return diagonal(row) > 0.0 ? rest[row] * ((mean + alpha) / diagonal(row)) : 0.0;
}


float reduce_max(float value)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    reduced[lane] = value;
    for (uint stride = 32; stride > 0; stride /= 2) {
        barrier();
        if (lane < stride) reduced[lane] = max(reduced[lane], reduced[lane + stride]);
    }
    barrier();
    return reduced[0];
}

// image = A x of the shared vector `direction`; this lane's rows.
void apply()
{
    barrier();
    for (uint row = gl_LocalInvocationID.x; row < p.width; row += 64) {
        float sum = ridge_of(row) * direction[row];
        uint j = 0;
        for (; j + 4 <= p.width; j += 4) {
            sum = fma(gram(row, j), direction[j], sum);
            sum = fma(gram(row, j + 1), direction[j + 1], sum);
            sum = fma(gram(row, j + 2), direction[j + 2], sum);
            sum = fma(gram(row, j + 3), direction[j + 3], sum);
        }
        for (; j < p.width; ++j) sum = fma(gram(row, j), direction[j], sum);
        image[row] = sum;
    }
    barrier();
}

// x, its residual, the first direction; the squared residual in the norm of the preconditioner.
float start()
{
    uint lane = gl_LocalInvocationID.x;
    float largest = 0.0;
    for (uint row = lane; row < p.width; row += 64) largest = max(largest, abs(query(row)));
    largest = reduce_max(largest);
    query_scale = kMethod == 0 && largest > 0.0 ? largest : 1.0;
    for (uint row = lane; row < p.width; row += 64) {
        solved[row] = kMethod == 1 ? query(row) / diagonal(row) : 0.0;
        direction[row] = solved[row];
    }
    if (kMethod == 1) apply();
    float sum = 0.0;
    for (uint row = lane; row < p.width; row += 64) {
        rest[row] = query(row) / query_scale - (kMethod == 1 ? image[row] : 0.0);
        direction[row] = preconditioned(row);
        sum = fma(rest[row], direction[row], sum);
    }
    return reduce_sum(sum);
}

float dot_image()
{
    float sum = 0.0;
    for (uint row = gl_LocalInvocationID.x; row < p.width; row += 64) sum = fma(direction[row], image[row], sum);
    return reduce_sum(sum);
}

float dot_direction()
{
    float sum = 0.0;
    for (uint row = gl_LocalInvocationID.x; row < p.width; row += 64) sum = fma(direction[row], direction[row], sum);
    return reduce_sum(sum);
}

// One round; false once there is nothing to gain.
bool advance(inout float squared, float enough)
{
    uint lane = gl_LocalInvocationID.x;
    apply();
    float curvature = dot_image();
    if (kMethod == 0 && !(curvature > 0.0)) return false;
    if (kMethod == 0) min_pivot = min(min_pivot, curvature / dot_direction());
    float step_size = squared / (curvature + (kMethod == 0 ? 0.0 : kGuard));
    float sum = 0.0;
    for (uint row = lane; row < p.width; row += 64) {
        solved[row] = fma(step_size, direction[row], solved[row]);
        rest[row] = fma(-step_size, image[row], rest[row]);
        sum = fma(rest[row], preconditioned(row), sum);
    }
    float next = reduce_sum(sum);
    float keep = next / (squared + (kMethod == 0 ? 0.0 : kGuard));
    for (uint row = lane; row < p.width; row += 64) direction[row] = fma(keep, direction[row], preconditioned(row));
    squared = next;
    return kMethod != 0 || squared > enough;
}

bool solve_query()
{
    float squared = start();
    float enough = kConverged * squared;
    min_pivot = kMethod == 0 ? 3.4e38 : 0.0;
    bool going = kMethod != 0 || squared > 0.0;
    for (uint i = 0; i < p.iterations && going; ++i) going = advance(squared, enough);
    float sum = 0.0;
    for (uint row = gl_LocalInvocationID.x; row < p.width; row += 64) {
        solved[row] *= query_scale;
        sum = fma(query(row), solved[row], sum);
    }
    variance_of_query = reduce_sum(sum);
    return variance_of_query < 3.0e38 && variance_of_query > -3.0e38; // false for NaN
}
