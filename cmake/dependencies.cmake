# Every dependency by package name; librdkafka from .deps/ when `./dev setup` had to build it.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

set(MR_DEPS_DIR "$ENV{MR_DEPS_DIR}" CACHE PATH "Where ./dev setup keeps what is not a Debian package")
if(NOT MR_DEPS_DIR)
  set(MR_DEPS_DIR ${CMAKE_SOURCE_DIR}/.deps CACHE PATH "" FORCE)
endif()

foreach(entry
    "JANSSON jansson" "AVRO avro-c" "MHD libmicrohttpd" "PQ libpq" "HIREDIS hiredis" "CURL libcurl"
    "CRYPTO libcrypto" "SODIUM libsodium" "JWT libjwt" "UTF8PROC libutf8proc" "XML libxml-2.0"
    "INIH inih" "SQLITE sqlite3")
  separate_arguments(entry UNIX_COMMAND ${entry})
  list(GET entry 0 name)
  list(GET entry 1 module)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${module})
endforeach()

# libwslay comes without a .pc file.
find_path(WSLAY_INCLUDE_DIR wslay/wslay.h REQUIRED)
find_library(WSLAY_LIBRARY wslay REQUIRED)
add_library(mr_wslay INTERFACE)
target_include_directories(mr_wslay SYSTEM INTERFACE ${WSLAY_INCLUDE_DIR})
target_link_libraries(mr_wslay INTERFACE ${WSLAY_LIBRARY})

# Debian 12's librdkafka 2.0.2 loses assignments with cooperative-sticky (docs/decisions/0053).
pkg_check_modules(RDKAFKA QUIET IMPORTED_TARGET rdkafka>=2.10.1)
if(RDKAFKA_FOUND)
  add_library(mr_rdkafka ALIAS PkgConfig::RDKAFKA)
else()
  set(ENV{PKG_CONFIG_PATH} "${MR_DEPS_DIR}/librdkafka/lib/pkgconfig:$ENV{PKG_CONFIG_PATH}")
  pkg_check_modules(RDKAFKA_STATIC REQUIRED rdkafka-static>=2.10.1)
  add_library(mr_rdkafka INTERFACE)
  target_include_directories(mr_rdkafka SYSTEM INTERFACE ${RDKAFKA_STATIC_INCLUDE_DIRS} ${MR_DEPS_DIR}/librdkafka/include)
  target_link_libraries(mr_rdkafka INTERFACE ${RDKAFKA_STATIC_STATIC_LDFLAGS} ${RDKAFKA_STATIC_LDFLAGS})
endif()
