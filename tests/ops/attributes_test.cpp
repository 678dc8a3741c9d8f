// Attributes of nodes and calls: defaults, and errors that name the operator and the attribute.
#include "ops/operator.hpp"
#include "refused.hpp"

#include <array>

using namespace gramian;

namespace {

Attributes attributes(const char* json)
{
    return {Json::parse(json), "node 3 (squash)", Status::invalid_model};
}

constexpr std::array<std::string_view, 2> kKinds{"clip", "tanh"};

} // namespace

TEST_CASE("attributes: what is not given has its default")
{
    for (const char* json : {"{}", "null"}) {
        const Attributes none = attributes(json);
        CHECK(none.names().empty());
        CHECK_FALSE(none.has("alpha"));
        CHECK(none.number("alpha", 0.5, 0, 1) == 0.5); // given back as it is
        CHECK(none.count("window", 7, 0, 8) == 7);
        CHECK(none.flag("causal", true));
        CHECK(none.choice("kind", kKinds, 1) == 1);
        CHECK_NOTHROW(none.only("solver", "cholesky"));
    }
}

TEST_CASE("attributes: what is given is read")
{
    const Attributes given =
        attributes(R"({"alpha":1,"window":8,"causal":false,"kind":"clip","low":[-1,0.5],"solver":"cholesky"})");
    CHECK(given.number("alpha", 0.5, 0, 1) == 1.0); // the upper bound itself
    CHECK(given.count("window", 7, 0, 8) == 8);
    CHECK_FALSE(given.flag("causal", true));
    CHECK(given.choice("kind", kKinds, 1) == 0);
    CHECK(given.numbers("low", 2) == std::vector<float>{-1, 0.5F});
    CHECK_NOTHROW(given.only("solver", "cholesky"));
    CHECK(given.names().size() == 6);
}

TEST_CASE("attributes: a wrong type is refused, naming node, attribute and what was found")
{
    const auto wrong = [](std::string_view words, auto action) {
        refused(Status::invalid_model, "node 3 (squash)", action);
        refused(Status::invalid_model, words, action);
    };
    const Attributes bad = attributes(
        R"({"alpha":"1","beta":true,"window":1.5,"causal":1,"kind":2,"low":1,"high":["a",1],"epsilon":null})");
    wrong("'alpha': expected a number from 0 to 1, found the string \"1\"",
          [&] { (void)bad.number("alpha", 0, 0, 1); });
    wrong("'beta': expected a number from 0 to 1, found true", [&] { (void)bad.number("beta", 0, 0, 1); });
    wrong("'epsilon': expected a number from 0 to 1, found null", [&] { (void)bad.number("epsilon", 0, 0, 1); });
    wrong("'window': expected an integer from 0 to 8, found the number 1.5",
          [&] { (void)bad.count("window", 0, 0, 8); });
    wrong("'causal': expected true or false, found the number 1", [&] { (void)bad.flag("causal", false); });
    wrong("'kind': expected one of clip, tanh, found the number 2", [&] { (void)bad.choice("kind", kKinds, 0); });
    wrong("'low': expected an array of 1 finite numbers, found the number 1", [&] { (void)bad.numbers("low", 1); });
    wrong("'high': expected an array of 2 finite numbers, found an array of 2", [&] { (void)bad.numbers("high", 2); });
    wrong("'other': expected an array of 2 finite numbers, found nothing", [&] { (void)bad.numbers("other", 2); });
    wrong("attributes: expected an object, found an array of 0", [] { (void)attributes("[]"); });
    wrong("attributes: expected an object, found the number 3", [] { (void)attributes("3"); });
}

TEST_CASE("attributes: a value out of range is refused with the range")
{
    const Attributes bad = attributes(
        R"({"alpha":-1e-9,"beta":1.0000001,"window":9,"kind":"relu","low":[1,2,3],"high":["1",1],"big":1e300})");
    const auto wrong = [](std::string_view words, auto action) { refused(Status::invalid_model, words, action); };
    wrong("expected a number from 0 to 1, found the number -1e-09", [&] { (void)bad.number("alpha", 0, 0, 1); });
    wrong("expected a number from 0 to 1, found the number 1.0000001", [&] { (void)bad.number("beta", 0, 0, 1); });
    wrong("expected an integer from 0 to 8, found the number 9", [&] { (void)bad.count("window", 0, 0, 8); });
    wrong("expected one of clip, tanh, found the string \"relu\"", [&] { (void)bad.choice("kind", kKinds, 0); });
    wrong("expected an array of 2 finite numbers, found an array of 3", [&] { (void)bad.numbers("low", 2); });
    wrong("expected a number from 0 to 1e+30", [&] { (void)bad.number("big", 0, 0, 1e30); });
}

TEST_CASE("attributes: one that must be given says which values there are")
{
    refused(Status::invalid_model, "node 3 (squash): attribute 'kind' is missing, one of clip, tanh",
            [] { (void)attributes("{}").choice("kind", kKinds, std::nullopt); });
}

TEST_CASE("attributes: one that the operator does not know is refused, listing those that it has")
{
    const Operator& squash = *find_operator("squash");
    refused(Status::invalid_model, "squash has no attribute \"hihg\"; it has: kind, low, high",
            [&] { check_attribute_names(squash, attributes(R"({"kind":"clip","hihg":[1]})")); });
    refused(Status::invalid_model, "linear has no attribute \"heads\"; it has: none",
            [] { check_attribute_names(*find_operator("linear"), attributes(R"({"heads":1})")); });
    CHECK_NOTHROW(check_attribute_names(squash, attributes(R"({"kind":"clip","low":[1]})")));
}

TEST_CASE("attributes: a value that this version does not do is unsupported, whatever the status of the others")
{
    refused(Status::unsupported, "'solver': this version does \"cholesky\" only, not \"qr\"",
            [] { attributes(R"({"solver":"qr"})").only("solver", "cholesky"); });
}
