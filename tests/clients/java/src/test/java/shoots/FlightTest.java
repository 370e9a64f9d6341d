package shoots;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.arrow.flight.Action;
import org.apache.arrow.flight.Criteria;
import org.apache.arrow.flight.FlightClient;
import org.apache.arrow.flight.FlightInfo;
import org.apache.arrow.flight.FlightRuntimeException;
import org.apache.arrow.flight.FlightStatusCode;
import org.apache.arrow.flight.Location;
import org.apache.arrow.flight.Result;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Plain Flight. */
class FlightTest {
  static final List<List<Object>> WEATHER =
      List.of(List.of("EWR", 9.5), Arrays.asList("JFK", null), List.of("LGA", 11.25));

  private static FlightClient connect(Server server, BufferAllocator allocator) {
    Location location = Location.forGrpcInsecure(server.host, server.port);
    return FlightClient.builder(allocator, location).build();
  }

  private static List<String> act(FlightClient client, String action, String body) {
    List<String> answers = new ArrayList<>();
    client
        .doAction(new Action(action, body.getBytes(StandardCharsets.UTF_8)))
        .forEachRemaining(
            (Result answer) -> answers.add(new String(answer.getBody(), StandardCharsets.UTF_8)));
    return answers;
  }

  @Test
  void rowsThatWerePutAreGotListedAndAsked(@TempDir Path folder) throws Exception {
    try (Server server = Server.start(folder, "grpc");
        BufferAllocator allocator = new RootAllocator();
        FlightClient client = connect(server, allocator)) {
      String told = Rows.put(client, allocator, "{\"name\":\"weather\",\"bucket\":\"nyc\"}");
      assertTrue(told.contains("\"version\":1") && told.contains("\"rows\":3"), told);
      String ticket = "{\"name\":\"weather\",\"bucket\":\"nyc\"}";
      assertEquals(WEATHER, Rows.get(client, ticket));

      List<FlightInfo> listed = new ArrayList<>();
      client.listFlights(Criteria.ALL).forEach(listed::add);
      assertEquals(1, listed.size());
      assertEquals(List.of("weather", "nyc"), listed.get(0).getDescriptor().getPath());
      assertEquals(3, listed.get(0).getRecords());
      assertEquals(Rows.SCHEMA.getFields(), listed.get(0).getSchemaOptional().orElseThrow().getFields());

      String sql = "select origin from weather where wind > 10";
      String asked = ticket.replace("}", ",\"sql\":\"" + sql + "\"}");
      assertEquals(List.of(List.of("LGA")), Rows.get(client, asked));
      assertEquals(List.of("[\"nyc\"]"), act(client, "buckets", ""));
    }
  }

  @Test
  void whatIsMissingOrWrongHasATypedCode(@TempDir Path folder) throws Exception {
    try (Server server = Server.start(folder, "grpc");
        BufferAllocator allocator = new RootAllocator();
        FlightClient client = connect(server, allocator)) {
      Rows.put(client, allocator, "{\"name\":\"weather\"}");
      Map<Executable, FlightStatusCode> refused = new LinkedHashMap<>();
      for (String ticket : List.of("{\"name\":\"nobody\"}", "{\"name\":\"weather\",\"bucket\":\"x\"}")) {
        refused.put(() -> Rows.get(client, ticket), FlightStatusCode.NOT_FOUND);
      }
      for (String ticket :
          List.of(
              "{\"name\":\"weather\",\"colour\":\"red\"}",
              "{\"name\":7}",
              "{\"name\":\"weather\",\"sql\":\"select from\"}",
              "no JSON")) {
        refused.put(() -> Rows.get(client, ticket), FlightStatusCode.INVALID_ARGUMENT);
      }
      refused.put(
          () -> Rows.tryPut(client, allocator, "{\"name\":\"weather\"}"),
          FlightStatusCode.ALREADY_EXISTS);
      refused.put(
          () -> Rows.tryPut(client, allocator, "{\"name\":\"weather\",\"mode\":\"x\"}"),
          FlightStatusCode.INVALID_ARGUMENT);
      refused.put(() -> act(client, "fly", "{}"), FlightStatusCode.INVALID_ARGUMENT);
      refused.put(
          () -> act(client, "pull", "{\"remote\":\"nowhere\"}"), FlightStatusCode.NOT_FOUND);
      for (Map.Entry<Executable, FlightStatusCode> call : refused.entrySet()) {
        FlightRuntimeException error =
            assertThrows(FlightRuntimeException.class, call.getKey());
        assertEquals(call.getValue(), error.status().code(), error.toString());
        assertFalse(error.status().description().isEmpty());
      }
      assertEquals(WEATHER, Rows.get(client, "{\"name\":\"weather\"}"));
    }
  }
}
