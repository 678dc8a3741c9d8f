// The single-operator call: what it refuses, by name.
#include "arrays.hpp"
#include "refused.hpp"
#include "test_device.hpp"

using namespace gramian;

namespace {

void refuses(Status status, std::string_view words, std::string_view name, const Json& attributes,
             const std::vector<NamedArray>& inputs)
{
    for (Device* device : {&test_device(), &host_device()}) {
        refused(status, words, [&] { (void)run_operator(*device, name, attributes, inputs); });
    }
}

NamedArray array(const std::string& name, Shape shape)
{
    return random_array(name, shape, 1);
}

} // namespace

TEST_CASE("run_operator: an unknown name is unsupported and lists the operators")
{
    for (const Operator& op : operators()) refuses(Status::unsupported, op.name, "linaer", {}, {});
    refuses(Status::unsupported, "no operator \"linaer\"", "linaer", {}, {});
    refuses(Status::unsupported, "no operator \"\"", "", {}, {});
}

TEST_CASE("run_operator: an unknown attribute or tensor is unsupported and lists the known ones")
{
    const std::vector<NamedArray> inputs{array("k", {1, 3, 4}), array("v", {1, 3, 2})};
    refuses(Status::unsupported, "no attribute \"alhpa\"; it has: alpha, alpha_relative", "ridge_solve", {{"alhpa", 1}},
            inputs);
    refuses(Status::unsupported, "ridge_solve has no input \"q\"; it has: a, rhs, k, v", "ridge_solve", {},
            {inputs[0], inputs[1], array("q", {1})});
    refuses(Status::unsupported, "cholesky, cg, cg_compat, qr", "ridge_solve", {{"solver", "lu"}}, inputs);
    refuses(Status::unsupported, "'refine' goes with solver \"cholesky\", found \"cg\"", "ridge_solve",
            {{"solver", "cg"}, {"refine", 1}}, inputs);
    refuses(Status::unsupported, "expected an 'alpha' above 0", "ridge_solve", {{"solver", "rls"}}, inputs);
    refuses(Status::invalid_argument, "a [1, 2, 3]: expected [B,P,P]", "cholesky", {}, {array("a", {1, 2, 3})});
    refuses(Status::invalid_argument, "x [1, 4, 2]", "cholesky_update", {},
            {array("a", {1, 3, 3}), array("x", {1, 4, 2})});
    refuses(Status::invalid_argument, "expected both rhs and y", "qr_update", {},
            {array("a", {1, 3, 3}), array("x", {1, 4, 3}), array("rhs", {1, 3, 1})});
    refuses(Status::invalid_argument, "y: expected [1, 4, 1], found [1, 3, 1]", "qr_update", {},
            {array("a", {1, 3, 3}), array("x", {1, 4, 3}), array("rhs", {1, 3, 1}), array("y", {1, 3, 1})});
    refuses(Status::invalid_argument, "rhs [1, 2, 1]", "triangular_solve", {},
            {array("a", {1, 3, 3}), array("rhs", {1, 2, 1})});
    refuses(Status::invalid_argument, "solver \"qr\" works on rows: expected k and v", "ridge_solve",
            {{"solver", "qr"}}, {array("a", {1, 2, 2}), array("rhs", {1, 2, 1})});
}

TEST_CASE("run_operator: a missing input is named, with all inputs")
{
    refuses(Status::invalid_argument, "softmax_attention: input 'k' is missing; its inputs are: q, k, v",
            "softmax_attention", {}, {array("q", {1, 1, 1, 4}), array("v", {1, 1, 1, 4})});
    refuses(Status::invalid_argument, "linear: input 'weight' is missing", "linear", {}, {array("x", {1, 4})});
    refuses(Status::invalid_argument, "ridge_solve: expected either a and rhs, or k and v", "ridge_solve", {}, {});
    refuses(Status::invalid_argument, "expected either a and rhs, or k and v", "ridge_solve", {},
            {array("a", {1, 2, 2}), array("v", {1, 2, 2})});
}

TEST_CASE("run_operator: shapes that do not fit are named, both of them")
{
    refuses(Status::invalid_argument, "x [2, 5] and weight [3, 4]", "linear", {},
            {array("x", {2, 5}), array("weight", {3, 4})});
    refuses(Status::invalid_argument, "bias: expected [3], found [4]", "linear", {},
            {array("x", {2, 4}), array("weight", {3, 4}), array("bias", {4})});
    refuses(Status::invalid_argument, "b: expected [2, 3], found [3, 2]", "add", {},
            {array("a", {2, 3}), array("b", {3, 2})});
    refuses(Status::invalid_argument, "k [1, 3, 4] and v [1, 2, 2]", "ridge_solve", {},
            {array("k", {1, 3, 4}), array("v", {1, 2, 2})});
    refuses(Status::invalid_argument, "a [1, 3, 4] and rhs [1, 3, 2]", "ridge_solve", {},
            {array("a", {1, 3, 4}), array("rhs", {1, 3, 2})});
    refuses(Status::invalid_argument, "q [1, 2, 1, 4], k [1, 3, 1, 5] and v [1, 3, 1, 2]", "softmax_attention", {},
            {array("q", {1, 2, 1, 4}), array("k", {1, 3, 1, 5}), array("v", {1, 3, 1, 2})});
    refuses(Status::invalid_argument, "k [1, 3, 1, 4], v [1, 3, 1, 2] and q [1, 2, 1, 5]", "intention", {},
            {array("q", {1, 2, 1, 5}), array("k", {1, 3, 1, 4}), array("v", {1, 3, 1, 2})});
    refuses(Status::invalid_argument, "beta: expected [1, 3, 1], found [1, 2, 1]", "intention", {},
            {array("q", {1, 2, 1, 4}), array("k", {1, 3, 1, 4}), array("v", {1, 3, 1, 2}), array("beta", {1, 2, 1})});
    refuses(Status::invalid_argument, "T 2 and N 3", "softmax_attention", {{"causal", true}},
            {array("q", {1, 2, 1, 4}), array("k", {1, 3, 1, 4}), array("v", {1, 3, 1, 2})});
    refuses(Status::invalid_argument, "mean: expected [3], found [2]", "normalize", {},
            {array("x", {2, 3}), array("mean", {2}), array("variance", {3})});
}

TEST_CASE("run_operator: a weight of the wrong rank is refused, not read past its end")
{
    refuses(Status::invalid_argument, "weight [12]", "linear", {}, {array("x", {2, 4}), array("weight", {12})});
    refuses(Status::invalid_argument, "weight [3, 4, 1]", "linear", {},
            {array("x", {2, 4}), array("weight", {3, 4, 1})});
    refuses(Status::invalid_argument, "weight: expected at least one extent", "linear", {},
            {array("x", {2, 4}), array("weight", {})});
}

TEST_CASE("run_operator: a tensor without extents is refused where channels are needed")
{
    refuses(Status::invalid_argument, "squash", "squash", {{"kind", "clip"}, {"low", {0}}, {"high", {1}}},
            {array("x", {})});
    refuses(Status::invalid_argument, "normalize", "normalize", {},
            {array("x", {}), array("mean", {1}), array("variance", {1})});
}

TEST_CASE("run_operator: values that do not fill the shape, and empty tensors, are refused")
{
    NamedArray short_one = array("x", {2, 4});
    short_one.values.pop_back();
    refuses(Status::invalid_argument, "linear: x: 7 values for shape [2, 4]", "linear", {},
            {short_one, array("weight", {3, 4})});
    refuses(Status::invalid_argument, "linear: x is empty", "linear", {}, {{"x", {0, 4}, {}}, array("weight", {3, 4})});
}

TEST_CASE("run_operator: both alphas, sizes beyond the kernels and attributes of a wrong type are refused")
{
    const std::vector<NamedArray> pairs{array("k", {1, 3, 4}), array("v", {1, 3, 2})};
    for (const char* name : {"alpha", "alpha_relative"}) {
        refuses(Status::unsupported, "expected a number", "ridge_solve", {{name, "much"}}, pairs);
        refuses(Status::unsupported, "expected a number", "ridge_solve", {{name, -1}}, pairs);
    }
    refuses(Status::unsupported, "both 'alpha' and 'alpha_relative'", "ridge_solve",
            {{"alpha", 1}, {"alpha_relative", 1}}, pairs);
    refuses(Status::unsupported, "P 1025 and K 1, at most 1024 and 256", "ridge_solve", {},
            {array("a", {1, 1025, 1025}), array("rhs", {1, 1025, 1})});
    refuses(Status::unsupported, "expected an object", "ridge_solve", Json::array(), pairs);
    refuses(Status::unsupported, "attribute 'kind' is missing", "activation", {}, {array("x", {1, 4})});
}

TEST_CASE("run_operator: stays within its outputs, and reports dispatches, bytes and times")
{
    OperatorRunOptions options;
    options.check_guards = true;
    options.repeat = 3;
    const OperatorRun run =
        run_operator(test_device(), "linear", {}, {array("x", {3, 5}), array("weight", {7, 5})}, options);
    CHECK(run.run_us.size() == 3);
    CHECK(run.dispatches == 1);
    CHECK(run.bytes_moved >= 4 * (3 * 5 + 7 * 5 + 3 * 7));
    REQUIRE(run.outputs.size() == 1);
    CHECK(run.outputs[0].shape == Shape{3, 7});
}
