// What the opaque handles of the C API hold. A handle keeps what it depends on alive, so a caller may destroy in any
// order; members are destroyed last to first.
#pragma once

#include "ops/run_operator.hpp"
#include "session/recording.hpp"
#include "session/session.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

struct gramian_device {
    std::shared_ptr<gramian::Device> device;
    std::string kernels;
    std::string verdict; // that holds; empty: none
};

struct gramian_model {
    std::shared_ptr<gramian::Device> device;
    std::shared_ptr<const gramian::Model> model;
    std::string json;
};

struct gramian_session {
    std::shared_ptr<gramian::Device> device;
    std::shared_ptr<const gramian::Model> model;
    std::unique_ptr<gramian::Session> session;
    std::string profile;
};

struct gramian_tensors {
    std::vector<gramian::NamedArray> arrays;
    std::map<std::string, std::string> texts;
};
