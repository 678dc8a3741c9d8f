// Feature maps of queries and keys; the numbers are those of gramian::Feature.
const uint kFeatureIdentity = 0;
const uint kFeatureElu1 = 1;
const uint kFeatureExp = 2;
const uint kFeatureRelu = 3;

float feature(uint kind, float x)
{
    if (kind == kFeatureElu1) return x > 0.0 ? x + 1.0 : exp(x);
    if (kind == kFeatureExp) return exp(x);
    if (kind == kFeatureRelu) return max(x, 0.0);
    return x;
}
