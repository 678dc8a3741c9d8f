// What the norms have in common: the mean and the factor of a row, by a workgroup of 64. The includer defines Rows, float
// for one row or vec4 for four side by side, partial, 64 Rows of shared memory, and load_rows. The variance is taken
// around the mean in a second pass: E[x^2] - E[x]^2 would cancel.

// The numbers are those of gramian::Norm.
const uint kLayerNorm = 0;
const uint kRmsNorm = 1;
const uint kL2Norm = 2;

Rows load_rows(uint channel); // of every row

Rows reduce(Rows value)
{
    uint lane = gl_LocalInvocationID.x;
    barrier();
    partial[lane] = value;
    for (uint stride = 32; stride > 0; stride /= 2) {
        barrier();
        if (lane < stride) partial[lane] += partial[lane + stride];
    }
    barrier();
    return partial[0];
}

// A normalised x is (x - mean) * factor, before weight and bias.
void measure_rows(uint kind, uint width, float epsilon, out Rows mean, out Rows factor)
{
    uint lane = gl_LocalInvocationID.x;
    mean = Rows(0.0);
    if (kind == kLayerNorm) {
        Rows sum = Rows(0.0);
        for (uint i = lane; i < width; i += 64) sum += load_rows(i);
        mean = reduce(sum) / float(width);
    }
    Rows squares = Rows(0.0);
    for (uint i = lane; i < width; i += 64) {
        Rows x = load_rows(i) - mean;
        squares = fma(x, x, squares);
    }
    squares = reduce(squares);
    factor = 1.0 / sqrt(squares / float(width) + epsilon);
    if (kind == kL2Norm) factor = 1.0 / max(sqrt(squares), epsilon);
}
